/* Flagged: floating point */
static int dlop_scale(int x)
{
    float y = (float)x;
    return (int)(y + y);
}
