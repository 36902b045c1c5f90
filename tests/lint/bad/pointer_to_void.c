/* Flagged: cast between pointers */
static unsigned dlop_byte(const void *bytes)
{
    const unsigned char *b = bytes;
    return b[0];
}
