/* Flagged: external call */
#include <string.h>
static void dlop_copy(unsigned char *to, const unsigned char *from)
{
    memcpy(to, from, 8);
}
