/* Flagged: another value for a pointer */
static int dlop_choose(const int *a, const int *b, int which)
{
    const int *one = which ? a : b;
    return *one;
}
