/* Flagged: shift by too much */
static unsigned dlop_top_bits(unsigned x)
{
    return x >> 32;
}
