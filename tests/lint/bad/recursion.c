/* Flagged: recursion */
static int dlop_odd(int n);
static int dlop_even(int n)
{
    return n == 0 ? 1 : dlop_odd(n - 1);
}
static int dlop_odd(int n)
{
    return n == 0 ? 0 : dlop_even(n - 1);
}
