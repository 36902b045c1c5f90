/* Flagged: another value for a pointer */
static int dlop_step(const int *a)
{
    int sum = *a++;
    return sum + *a;
}
