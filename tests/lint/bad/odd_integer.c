/* Flagged: integer of odd width */
static int dlop_narrow(int x)
{
    _BitInt(12) y = (_BitInt(12))x;
    return (int)y;
}
