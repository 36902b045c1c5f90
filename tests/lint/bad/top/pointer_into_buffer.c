/* Flagged: pointer into a buffer */
static int dlop_first(const int *a)
{
    return a[0];
}
static int dlop_second(const int *a)
{
    return dlop_first(a + 1);
}
