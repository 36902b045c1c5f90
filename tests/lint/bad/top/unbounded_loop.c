/* Flagged: loop without a bound */
static int dlop_sum(const int *a, int n)
{
    int sum = 0, i;
    for (i = 0; i < n; i++)
        sum += a[i];
    return sum;
}
