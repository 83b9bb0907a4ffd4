// SPDX-License-Identifier: Apache-2.0
// Messages as they come through the door of a mount: any op with any fields, pieces in any order, handles
// that were opened and ones that were not, from root and from somebody. Input: messages of kind (255: all
// bytes raw), op, numbers, payload. Each input has a fresh volume.
#include "tests/fuzz/fuzz.h"

#include "tools/mount_call.h"

enum { MESSAGES_MAX = 48, KEYS = 2, ANSWER_MAX = 2048, HANDLES = 8 };

static struct call_door *door;
static hf_handle root, file;
static u64 handles[HANDLES], transactions[4];
static u32 opened, staged;

static void changed(void *context, const struct call_change *change)
{
    (void)context;
    FUZZ_ASSERT(change->node || change->name);
    FUZZ_ASSERT(!change->name || strlen(change->name) > 0);
}

static void begin(void)
{
    static const u8 data[40000] = {1, 2, 3};
    size_t done;
    must(hf_attach("X:", "ram:4194304,cache=1M,retry-ms=0"));
    must(hf_format("X:", &(struct hf_format_options){.integrity = true}));
    must(hf_open("X:/file", &(struct hf_open_options){.access = GENERIC_ALL, .disposition = FILE_CREATE},
                 &file));
    must(hf_write(file, 0, data, sizeof data, &done));
    must(hf_open("X:/", NULL, &root));
    must(call_open(&(struct call_options){.drive = "X:", .uid = 1000, .changed = changed}, &door));
    memset(handles, 0, sizeof handles);
    memset(transactions, 0, sizeof transactions);
    opened = staged = 0;
}

static void end(void)
{
    call_close(door);
    must(hf_close(root));
    must(hf_close(file));
    FUZZ_ASSERT(hf_detach("X:") != STATUS_FILES_OPEN); // the door let go of all that it held
}

static void send_message(const u8 *message, size_t size, u8 who, size_t room)
{
    struct call_caller caller = {.uid = who & 1 ? 5 : 0, .gid = 6};
    struct call_fd fd = {.key = 1 + (who >> 1) % KEYS,
                         .node = who & 4 ? HF_NODE_ROOT : 17,
                         .file = who & 4 ? root : file,
                         .directory = who & 4};
    size_t used;
    u8 *out = malloc(room ? room : 1);
    FUZZ_ASSERT(out != NULL);
    int error = call_serve(door, &caller, &fd, message, size, out, room, &used);
    FUZZ_ASSERT(used <= room);
    struct hf_linux_call answer;
    if (!error) {
        FUZZ_ASSERT(used >= sizeof answer);
        memcpy(&answer, out, sizeof answer);
        FUZZ_ASSERT(answer.length == used - sizeof answer);
        if (answer.op == HF_LINUX_OPEN && answer.status == 0 && answer.length >= sizeof(u64))
            memcpy(&handles[opened++ % HANDLES], out + sizeof answer, sizeof(u64));
        if (answer.transaction)
            transactions[staged++ % 4] = answer.transaction;
    }
    if (who & 128)
        call_forget(door, fd.key);
    free(out);
}

static u64 small_or_any(struct input *in)
{
    u8 b = input_u8(in);
    return b == 255 ? input_number(in, 8) : (u64)b << (b & 7);
}

static void message(struct input *in)
{
    u8 kind = input_u8(in), who = input_u8(in);
    size_t length, room = sizeof(struct hf_linux_call) + input_u16(in) % ANSWER_MAX;
    if (kind == 255) {
        u8 *raw = input_copy(in, input_u8(in), &length);
        send_message(raw, length, who, room);
        free(raw);
        return;
    }
    struct hf_linux_call call = {.magic = HF_LINUX_MAGIC, .version = HF_LINUX_VERSION, .op = kind % 24};
    u8 handle = input_u8(in), transaction = input_u8(in);
    call.handle = handle == 255 ? input_number(in, 8) : handle & 128 ? 0 : handles[handle % HANDLES];
    call.transaction = transaction & 128 ? transactions[transaction % 4] : 0;
    call.in_length = (u32)small_or_any(in);
    call.out_length = (u32)small_or_any(in);
    call.offset = small_or_any(in);
    call.extra = small_or_any(in);
    call.code = input_u32(in);
    call.flags = input_u8(in);
    call.privileges = input_u8(in);
    u8 *payload = input_copy(in, input_u8(in), &length);
    call.length = (u32)length;
    u8 *bytes = malloc(sizeof call + length);
    FUZZ_ASSERT(bytes != NULL);
    memcpy(bytes, &call, sizeof call);
    memcpy(bytes + sizeof call, payload, length);
    // A related handle or a target stands at the payload's beginning.
    if (length >= sizeof(u64) && who & 64)
        memcpy(bytes + sizeof call, &handles[payload[0] % HANDLES], sizeof(u64));
    send_message(bytes, sizeof call + length, who, room);
    free(bytes);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    begin();
    for (int i = 0; i < MESSAGES_MAX && in.left > 0; i++)
        message(&in);
    end();
    return 0;
}
