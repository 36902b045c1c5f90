/* Rows of pixels from the planes of a decoded region: upsampling and colour, one row at a time. */
#include "driver/cpu/jpeg_internal.h"
#include "hw/core/upsample.h"

/* Sample (0, y) of a plane, y counted in the whole component. */
static const u8 *plane_row(const struct dlop_cpu_plane *plane, u32 y)
{
    return plane->samples + (size_t)(y - plane->y_first) * plane->stride_bytes;
}

/* Component c for row y_px of the picture, at full resolution from the rectangle's left side on: in
 * its plane where that is possible, else in its row buffer. */
static const u8 *component_row(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               u32 c, u32 y_px)
{
    const struct dlop_component_geometry *component = &jpeg->geometry.component[c];
    const struct dlop_cpu_plane *plane = &jpeg->plane[c];
    const u32 x_px = jpeg->rect.x, n_px = jpeg->rect.width;
    u8 *out = jpeg->rows + c * jpeg->row_bytes;
    const u8 *near_row = plane_row(plane, y_px / component->ratio_y), *far_row = near_row;
    /* Position of the rectangle in the plane, in pixels and in samples; and, for filters of ratio
     * 2, the samples under all outputs: where the first output is odd, one too many is made. */
    u32 x_plane_px = x_px - plane->x_first * component->ratio_x;
    u32 x_plane = x_plane_px / component->ratio_x;
    u32 n = (x_px + n_px - 1) / 2 - x_px / 2 + 1;

    if (plane->upsample_kind == DLOP_UPSAMPLE_H2V2 || plane->upsample_kind == DLOP_UPSAMPLE_H1V2)
        far_row = plane_row(plane, dlop_upsample_beside(y_px, component->height_samples));
    switch (plane->upsample_kind) {
    case DLOP_UPSAMPLE_H2V1:
        steps->upsample_h2v1(near_row + x_plane, n, out);
        return out + x_px % 2;
    case DLOP_UPSAMPLE_H2V2:
        steps->upsample_h2v2(near_row + x_plane, far_row + x_plane, n, out);
        return out + x_px % 2;
    case DLOP_UPSAMPLE_H1V2:
        steps->upsample_h1v2(near_row + x_plane, far_row + x_plane, y_px % 2, n_px, out);
        return out;
    default:
        if (component->ratio_x == 1)
            return near_row + x_plane;
        dlop_upsample_replicate_row(near_row, component->ratio_x, x_plane_px, n_px, out);
        return out;
    }
}

void dlop_cpu_jpeg_row(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps, u32 y,
                       u8 *rgbx_out)
{
    const u32 y_px = jpeg->rect.y + y, n_px = jpeg->rect.width;
    const u8 *row[DLOP_JPEG_MAX_COMPONENTS] = {NULL};

    for (u32 c = 0; c < jpeg->geometry.n_components; c++)
        row[c] = component_row(jpeg, steps, c, y_px);
    if (jpeg->colour == DLOP_JPEG_GREY)
        steps->grey_to_rgbx(row[0], n_px, rgbx_out);
    else if (jpeg->colour == DLOP_JPEG_YCC)
        steps->ycc_to_rgbx(row[0], row[1], row[2], n_px, rgbx_out);
    else
        steps->rgb_to_rgbx(row[0], row[1], row[2], n_px, rgbx_out);
}
