/* Flagged: port without INTERFACE */
#include "hw/abi/port.h"
void dlop_bad(const u8 *in, u8 *out);
void dlop_bad(const u8 *in, u8 *out)
{
    DLOP_HLS(INTERFACE m_axi port = in bundle = in offset = slave)
    DLOP_HLS(INTERFACE s_axilite port = return )
    out[0] = in[0];
}
