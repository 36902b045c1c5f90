/* Flagged: loop without a bound */
static int dlop_find(const int *a)
{
    int i;
    for (i = 0;; i++) {
        if (a[i] == 0)
            break;
    }
    return i;
}
