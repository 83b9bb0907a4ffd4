// SPDX-License-Identifier: Apache-2.0
// DeviceIoControl: a control code says which kind of device it is for and which access it needs; this decodes
// it and sends the request. What a code means is known to the drivers below. Names come from the one list in
// winioctl.h.
#include "handle/handle.h"

static const struct {
    const char *name;
    u32 code;
} codes[] = {
#define CODE_ROW(name, device, function, method, access) {#name, CTL_CODE(device, function, method, access)},
    HF_CONTROL_CODES(CODE_ROW)
#undef CODE_ROW
};

const char *hf_code_name(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            return codes[i].name;
    return NULL;
}

bool hf_code_from_name(const char *name, uint32_t *code)
{
    *code = 0;
    for (size_t i = 0; name && i < ARRAY_LEN(codes); i++) {
        if (strcasecmp(codes[i].name, name) != 0)
            continue;
        *code = codes[i].code;
        return true;
    }
    return false;
}

// The rights that the code itself asks for; the drivers may ask for more.
static u32 code_access(u32 code)
{
    u32 access = ACCESS_FROM_CTL_CODE(code);
    return (access & FILE_READ_ACCESS ? FILE_READ_DATA : 0) |
           (access & FILE_WRITE_ACCESS ? FILE_WRITE_DATA : 0);
}

// A code whose input holds a handle: the file behind it, referenced; NULL when it is none.
static struct handle *input_handle(u32 code, const u8 *in, size_t length)
{
    size_t at;
    hf_handle h;
    struct handle *handle;
    if (code == FSCTL_DUPLICATE_EXTENTS_TO_FILE)
        at = offsetof(DUPLICATE_EXTENTS_DATA, FileHandle);
    else if (code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX)
        at = offsetof(DUPLICATE_EXTENTS_DATA_EX, FileHandle);
    else
        return NULL;
    if (length < at + sizeof h)
        return NULL;
    memcpy(&h, in + at, sizeof h);
    return handle_get(h, &handle) == STATUS_SUCCESS ? handle : NULL;
}

nt_status request_ioctl(struct handle *handle, const _Atomic bool *cancel, u32 code, const void *in,
                        size_t in_length, void *out, size_t out_length, size_t *done)
{
    u32 needed = code_access(code);
    if ((handle->file.access & needed) != needed)
        return STATUS_ACCESS_DENIED;
    if ((!in && in_length > 0) || (!out && out_length > 0))
        return STATUS_ACCESS_VIOLATION;
    SCOPE_HANDLE struct handle *source = input_handle(code, in, in_length);
    bool fs = DEVICE_TYPE_FROM_CTL_CODE(code) == FILE_DEVICE_FILE_SYSTEM;
    struct irp irp = {.major = fs ? IRP_MJ_FILE_SYSTEM_CONTROL : IRP_MJ_DEVICE_CONTROL,
                      .minor = fs ? IRP_MN_USER_FS_REQUEST : IRP_MN_NONE,
                      .p.control = {.code = code,
                                    .in = in,
                                    .in_length = in_length,
                                    .out = out,
                                    .out_length = out_length,
                                    .source = source ? &source->file : NULL}};
    return request_send(handle, cancel, &irp, done);
}

nt_status hf_ioctl(hf_handle h, uint32_t code, const void *in, size_t in_length, void *out, size_t out_length,
                   size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    if (done)
        *done = 0;
    TRY(handle_get(h, &handle));
    return request_ioctl(handle, NULL, code, in, in_length, out, out_length, done);
}
