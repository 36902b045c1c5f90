/* Flagged: another value for a pointer */
static int dlop_swap(int *a, int *b)
{
    int *other = a;
    a = b;
    b = other;
    return a[0] - b[0];
}
