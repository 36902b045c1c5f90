/* What the tests of driver/ocl share: see ocl_kit.h. */
#include "tests/driver/ocl_kit.h"

#include <ftw.h>
#include <unistd.h>

const struct dlop_ocl_api *ocl_api(void)
{
    const struct dlop_ocl_api *api = NULL;
    struct dlop_ocl_found found;
    char reason[160] = "";
    uint32_t n_devices;

    if (dlop_ocl_api_get(&api, reason, sizeof reason) == DLOP_OK &&
        dlop_ocl_find(api, 0, &found, &n_devices, reason, sizeof reason) == DLOP_OK)
        return api;
    printf("SKIP ocl: %s\n", reason);
    return NULL;
}

struct ocl_answer ocl_answer;

cl_int CL_API_CALL ocl_device_info(cl_device_id device, cl_device_info what, size_t size,
                                   void *value, size_t *size_out)
{
    if (what != ocl_answer.what)
        return ocl_answer.real->GetDeviceInfo(device, what, size, value, size_out);
    memcpy(value, &ocl_answer.value, sizeof ocl_answer.value);
    return CL_SUCCESS;
}

void ocl_hear(void *cookie, const struct dlop_device_event *event)
{
    struct ocl_heard *heard = cookie;
    size_t length;

    pthread_mutex_lock(&heard->lock);
    length = strlen(heard->text);
    snprintf(heard->text + length, sizeof heard->text - length, "%s\n", event->text);
    if (event->kind == DLOP_DEVICE_LOST) {
        heard->n_lost++;
        heard->lost_status = event->status;
    } else {
        heard->n_notes++;
    }
    pthread_mutex_unlock(&heard->lock);
}

#define TINY_KERNEL(name)                                                                          \
    "__kernel void " name "(__global const uchar *in, __global const uchar *constants, "           \
    "__global uchar *out, __global uchar *scratch, __global const uchar *jobs, "                   \
    "__global uchar *completions, ulong a, ulong b, ulong c, ulong d, uint n) {}\n"
const char ocl_tiny_source[] = TINY_KERNEL("dlop_image") TINY_KERNEL("dlop_tensor");

dlop_status ocl_open_with(const struct dlop_ocl_api *api, const char *source,
                          const char *cache_folder, const char *settings, struct ocl_heard *heard,
                          struct dlop_device **device_out)
{
    const struct dlop_ocl_parts parts = {
        .api = api, .source = source, .source_bytes = strlen(source), .cache_folder = cache_folder};
    const struct dlop_device_cfg cfg = {
        .settings = settings, .on_event = heard ? ocl_hear : NULL, .event_cookie = heard};

    return dlop_ocl_open(&parts, &cfg, device_out);
}

void ocl_scratch_make(char path_out[64])
{
    snprintf(path_out, 64, "/tmp/dlop-test-ocl.XXXXXX");
    assert_non_null(mkdtemp(path_out));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

void ocl_scratch_remove(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
