/* Flagged: cast between pointers */
static unsigned dlop_word(const unsigned char *bytes)
{
    return *(const unsigned *)bytes;
}
