/* Flagged: while */
static int dlop_bits(unsigned x)
{
    int n = 0;
    while (x) {
        x >>= 1;
        n++;
    }
    return n;
}
