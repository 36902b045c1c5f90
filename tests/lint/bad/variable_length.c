/* Flagged: array of variable length */
static int dlop_sum(int n)
{
    int x[n];
    x[0] = 1;
    return x[0];
}
