/* Flagged: cast of a pointer to a number */
static unsigned long dlop_address(int *x)
{
    return (unsigned long)x;
}
