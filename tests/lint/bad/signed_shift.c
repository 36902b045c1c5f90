/* Flagged: left shift of a signed value */
static int dlop_scale(int x)
{
    return x << 13;
}
