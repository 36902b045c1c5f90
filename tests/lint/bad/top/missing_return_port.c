/* Flagged: port without INTERFACE */
#include "hw/abi/port.h"
void dlop_bad(const u8 *in);
void dlop_bad(const u8 *in)
{
    DLOP_HLS(INTERFACE m_axi port = in bundle = in offset = slave)
    (void)in[0];
}
