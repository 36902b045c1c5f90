/* Flagged: goto */
static int dlop_jump(int n)
{
again:
    if (n > 3) {
        n -= 3;
        goto again;
    }
    return n;
}
