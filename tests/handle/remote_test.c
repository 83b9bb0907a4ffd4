// SPDX-License-Identifier: Apache-2.0
// A volume behind a mount without a mount: drive Y: is X: through the messages of holdfast/linux.h, given
// straight to the server. Every native call must answer on Y: as it does on X:.
#include "tests/handle/stack.h"

#include <holdfast/posix.h>

#include "tools/mount_call.h"

static struct call_door *door;
static hf_handle door_root;
static struct call_caller caller;
static unsigned messages, changes;
static struct call_change last_change;
static char last_name[256];

static void changed(void *context, const struct call_change *change)
{
    (void)context;
    changes++;
    last_change = *change;
    snprintf(last_name, sizeof last_name, "%s", change->name ? change->name : "");
}

static int send_message(void *context, void *message, size_t size)
{
    unsigned char answer[HF_LINUX_MESSAGE_MAX];
    struct call_fd fd = {
        .key = (uintptr_t)context, .node = HF_NODE_ROOT, .file = door_root, .directory = true};
    size_t used;
    assert_true(size <= sizeof answer);
    messages++;
    int error = call_serve(door, &caller, &fd, message, size, answer, size, &used);
    assert_true(used <= size);
    memcpy(message, answer, used);
    return error;
}

static void forget(void *context)
{
    call_forget(door, (uintptr_t)context);
}

static nt_status connect_here(const char *path, struct remote_link *link)
{
    if (strcmp(path, "/here") != 0)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    *link = (struct remote_link){.send = send_message,
                                 .close = forget,
                                 .context = (void *)(uintptr_t)7,
                                 .base = -1,
                                 .below = strdup("")};
    return STATUS_SUCCESS;
}

static int setup(void **state)
{
    stack_setup(state);
    caller = (struct call_caller){.uid = 0};
    assert_ok(hf_open("X:/", NULL, &door_root));
    assert_ok(call_open(&(struct call_options){.drive = "X:", .uid = 1000, .changed = changed}, &door));
    remote_connect = connect_here;
    assert_ok(hf_attach("Y:", "mount:/here"));
    return 0;
}

static int teardown(void **state)
{
    nt_status status = hf_detach("Y:");
    call_close(door);
    assert_ok(hf_close(door_root));
    assert_ok(status);
    return stack_teardown(state);
}

// --- what attach takes ---------------------------------------------------------------------------

static void attaching(void **state)
{
    (void)state;
    hf_handle h;
    assert_status(hf_attach("Z:", "mount:/elsewhere"), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(hf_attach("CdRom0", "mount:/here"), STATUS_OBJECT_NAME_INVALID);
    assert_ok(hf_open("Y:/", NULL, &h));
    assert_status(hf_detach("Y:"), STATUS_FILES_OPEN);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("Y:"));
    put("X:/still", "there"); // X: is not dismounted with it
    assert_ok(hf_attach("Y:", "mount:/here"));
    expect("Y:/still", "there");
    assert_status(hf_format("Y:", NULL), STATUS_INVALID_DEVICE_REQUEST);
}

// --- files ---------------------------------------------------------------------------------------

static void data_both_ways(void **state)
{
    (void)state;
    put("X:/a", "written on X");
    expect("Y:/a", "written on X");
    put("Y:/b", "written on Y");
    expect("X:/b", "written on Y");
    make_directory("Y:\\dir");
    put("Y:\\dir\\file:stream", "named");
    expect("X:\\dir\\file:stream", "named");
}

static void large_data(void **state)
{
    (void)state;
    enum { SIZE = 3 * HF_LINUX_BUFFER_MAX + 12345 };
    u8 *data = malloc(SIZE), *back = malloc(SIZE);
    hf_handle h;
    size_t done;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (u8)(i * 31 >> 7);
    assert_ok(stack_open("Y:/large", GENERIC_READ | GENERIC_WRITE, FILE_CREATE, 0, &h));
    assert_ok(hf_write(h, 0, data, SIZE, &done));
    assert_int_equal(done, SIZE);
    assert_ok(hf_write(h, HF_APPEND, data, SIZE, &done));
    assert_int_equal(done, SIZE);
    assert_ok(hf_read(h, SIZE, back, SIZE, &done));
    assert_int_equal(done, SIZE);
    assert_memory_equal(data, back, SIZE);
    assert_ok(hf_read(h, 2 * SIZE - 10, back, SIZE, &done));
    assert_int_equal(done, 10);
    assert_status(hf_read(h, 2 * SIZE, back, 1, &done), STATUS_END_OF_FILE);
    assert_ok(hf_read(h, 0, back, 0, &done));
    assert_ok(hf_flush(h));
    assert_ok(hf_close(h));
    free(data);
    free(back);
}

static void opening_as_on_the_volume(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        u32 access, share, disposition, options;
    } tries[] = {
        {"none", 0, 0, FILE_OPEN, 0},
        {"none/below", 0, 0, FILE_OPEN, 0},
        {"file", 0, 0, FILE_CREATE, 0},
        {"file/below", 0, 0, FILE_OPEN, 0},
        {"file", 0, 0, FILE_OPEN, FILE_DIRECTORY_FILE},
        {"dir", 0, 0, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"dir/", 0, 0, FILE_OPEN, 0},
        {"file/", 0, 0, FILE_OPEN, 0},
        {"file", 0, 0, 77, 0},
        {"file", 0, 99, FILE_OPEN, 0},
        {"dir/new", GENERIC_WRITE, 0, FILE_OPEN_IF, 0},
        {"dir/new", GENERIC_WRITE, HF_SHARE_NONE, FILE_OVERWRITE_IF, 0},
        {"dir/new", GENERIC_WRITE, 0, HF_SUPERSEDE, 0},
        {"held", FILE_READ_DATA, 0, FILE_OPEN, 0},
        {"held", FILE_READ_DATA, HF_SHARE_NONE, FILE_OPEN, 0},
        {"", 0, 0, FILE_OPEN, 0},
        {"empty", DELETE, 0, FILE_OPEN, FILE_DELETE_ON_CLOSE},
    };
    hf_handle held;
    put("X:/file", "1");
    put("X:/held", "1");
    make_directory("X:/dir");
    make_directory("X:/empty");
    assert_ok(hf_open("Y:/held", &(struct hf_open_options){.access = FILE_READ_DATA, .share = HF_SHARE_NONE},
                      &held));
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        nt_status got[2];
        u32 action[2] = {99, 99};
        for (int drive = 0; drive < 2; drive++) {
            char name[64];
            hf_handle h;
            snprintf(name, sizeof name, "%c:/%s", "XY"[drive], tries[i].path);
            got[drive] = hf_open(name,
                                 &(struct hf_open_options){.access = tries[i].access,
                                                           .share = tries[i].share,
                                                           .disposition = tries[i].disposition,
                                                           .options = tries[i].options,
                                                           .action = &action[drive]},
                                 &h);
            if (got[drive] == STATUS_SUCCESS)
                assert_ok(hf_close(h));
            // The second drive finds what the first one found.
            if (drive == 0 && action[0] == FILE_CREATED)
                remove_name(name);
            if (drive == 0 && tries[i].options & FILE_DELETE_ON_CLOSE)
                make_directory(name);
        }
        if (got[0] != got[1] || action[0] != action[1])
            print_error("row %zu: %08x %08x, action %u %u\n", i, (unsigned)got[0], (unsigned)got[1],
                        action[0], action[1]);
        assert_int_equal(got[0], got[1]);
        assert_int_equal(action[0], action[1]);
    }
    assert_ok(hf_close(held));
}

static void relative_and_by_number(void **state)
{
    (void)state;
    hf_handle root, h;
    char path[64], name[64];
    make_directory("X:/dir");
    put("X:/dir/file", "here");
    assert_ok(stack_open("Y:/dir", FILE_LIST_DIRECTORY, 0, 0, &root));
    assert_ok(hf_open("file", &(struct hf_open_options){.root = root, .access = FILE_READ_DATA}, &h));
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/dir/file");
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
    snprintf(name, sizeof name, "Y:/%llu", (unsigned long long)file_id("X:/dir/file", 0));
    assert_ok(stack_open(name, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID, &h));
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/dir/file");
    assert_ok(hf_close(h));
}

// Links are followed by whoever asks: a complete target names a drive of the client.
static void links(void **state)
{
    (void)state;
    make_directory("X:/dir");
    put("X:/dir/file", "found");
    make_link("Y:/relative", false, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "dir\\file");
    make_link("X:/dir/up", false, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "..\\relative");
    make_link("X:/complete", true, IO_REPARSE_TAG_SYMLINK, 0, "\\??\\Y:\\dir");
    make_link("X:/junction", true, IO_REPARSE_TAG_MOUNT_POINT, 0, "\\??\\Z:\\dir");
    expect("Y:/relative", "found");
    expect("Y:/dir/up", "found");
    expect("Y:/complete/file", "found");
    assert_status(probe("Y:/junction/file", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(probe("Y:/junction", FILE_OPEN_REPARSE_POINT));
    make_link("X:/loop", false, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "loop");
    assert_status(probe("Y:/loop", 0), STATUS_REPARSE_POINT_NOT_RESOLVED);
}

static void names(void **state)
{
    (void)state;
    hf_handle h, root;
    make_directory("X:/dir");
    put("X:/a", "a");
    assert_ok(stack_open("Y:/a", DELETE, 0, 0, &h));
    assert_ok(hf_rename(h, NULL, "Y:/dir/b", false));
    assert_status(hf_rename(h, NULL, "X:/c", false), STATUS_NOT_SAME_DEVICE);
    assert_int_equal(last_change.parent, file_id("X:/dir", 0));
    assert_string_equal(last_name, "b");
    assert_ok(hf_link(h, NULL, "Y:/second", false));
    assert_status(hf_link(h, NULL, "Y:/second", false), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(stack_open("Y:/dir", FILE_ADD_FILE, 0, 0, &root));
    assert_ok(hf_link(h, root, "third", false));
    assert_ok(hf_close(root));
    expect("X:/dir/b", "a");
    expect("X:/second", "a");
    assert_ok(hf_delete(h));
    assert_ok(hf_close(h));
    assert_status(probe("X:/dir/b", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    expect("X:/dir/third", "a");
}

static void listing(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static u8 buffer[1 << 17];
    size_t done, seen = 0;
    hf_handle h;
    nt_status status;
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "X:/file-%d-with-a-longer-name", i);
        put(name, "x");
    }
    assert_ok(stack_open("Y:/", FILE_LIST_DIRECTORY, 0, 0, &h));
    for (bool restart = true;
         (status = hf_list(h, NULL, restart, buffer, sizeof buffer, &done)) == STATUS_SUCCESS;
         restart = false)
        for (u32 at = 0, next = 1; next; at += next) {
            next = ((struct hf_dirent *)(void *)(buffer + at))->next;
            seen++;
        }
    assert_status(status, STATUS_NO_MORE_FILES);
    assert_int_equal(seen, COUNT);
    assert_ok(hf_list(h, "file-69?-*", true, buffer, sizeof buffer, &done));
    assert_status(
        hf_query_directory(h, FileNamesInformation, "none", true, true, buffer, sizeof buffer, &done),
        STATUS_NO_SUCH_FILE);
    assert_ok(hf_close(h));
}

static void information(void **state)
{
    (void)state;
    hf_handle x, y;
    u8 a[512], b[512];
    size_t da, db;
    put("X:/file", "12345");
    assert_ok(stack_open("X:/file", GENERIC_READ | GENERIC_WRITE, 0, 0, &x));
    assert_ok(stack_open("Y:/file", GENERIC_READ | GENERIC_WRITE, 0, 0, &y));
    for (u32 class_ = 0; class_ < 80; class_++)
        for (size_t length = 0; length < 200; length += 20) {
            nt_status sa = hf_query(x, class_, a, length, &da), sb = hf_query(y, class_, b, length, &db);
            assert_int_equal(sa, sb);
            assert_int_equal(da, db);
            assert_memory_equal(a, b, da);
            sa = hf_query_volume(x, class_, a, length, &da);
            sb = hf_query_volume(y, class_, b, length, &db);
            assert_int_equal(sa, sb);
            assert_int_equal(da, db);
        }
    FILE_END_OF_FILE_INFORMATION end = {.EndOfFile = 3};
    changes = 0;
    assert_ok(hf_set(y, FileEndOfFileInformation, &end, sizeof end));
    assert_int_equal(changes, 1);
    assert_true(last_change.data && last_change.node == file_id("X:/file", 0));
    expect("X:/file", "123");
    assert_status(hf_set(y, FileEndOfFileInformation, &end, 3), STATUS_INFO_LENGTH_MISMATCH);
    assert_status(hf_set_label(y, "through"), hf_set_label(x, "through"));
    hf_handle volume;
    assert_ok(stack_open("\\\\.\\Y:", GENERIC_READ | GENERIC_WRITE, 0, 0, &volume));
    assert_ok(hf_set_label(volume, "through"));
    assert_ok(hf_close(volume));
    assert_ok(hf_query_volume(x, FileFsVolumeInformation, a, sizeof a, &da));
    assert_int_equal(get_le32(a + 12), 14);
    assert_ok(hf_close(x));
    assert_ok(hf_close(y));
}

static void locks(void **state)
{
    (void)state;
    hf_handle x, y;
    size_t done;
    put("X:/file", "12345");
    assert_ok(stack_open("X:/file", GENERIC_READ | GENERIC_WRITE, 0, 0, &x));
    assert_ok(stack_open("Y:/file", GENERIC_READ | GENERIC_WRITE, 0, 0, &y));
    assert_ok(hf_lock(y, 1, 2, true, false));
    assert_status(hf_lock(x, 2, 1, false, false), STATUS_LOCK_NOT_GRANTED);
    assert_status(hf_write(x, 0, "abc", 3, &done), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(hf_write(y, 0, "abc", 3, &done));
    assert_status(hf_unlock(y, 1, 1), STATUS_RANGE_NOT_LOCKED);
    assert_ok(hf_unlock(y, 1, 2));
    assert_ok(hf_lock(x, 0, 10, true, false));
    assert_status(hf_lock(y, 9, 1, true, false), STATUS_LOCK_NOT_GRANTED);
    assert_ok(hf_close(x));
    assert_ok(hf_lock(y, 9, 1, true, true));
    assert_ok(hf_close(y));
}

// --- control codes -------------------------------------------------------------------------------

static void codes(void **state)
{
    (void)state;
    hf_handle x, y;
    u8 a[256], b[256], in[64] = {0};
    size_t da, db;
    put("X:/file", "");
    static const char *const paths[] = {"%c:/file", "%c:/", "\\\\.\\%c:"};
    static const u32 all[] = {
#define CODE(name, device, function, method, access) CTL_CODE(device, function, method, access),
        HF_CONTROL_CODES(CODE)
#undef CODE
            0x1234567,
    };
    for (size_t p = 0; p < ARRAY_LEN(paths); p++) {
        char nx[16], ny[16];
        snprintf(nx, sizeof nx, paths[p], 'X');
        snprintf(ny, sizeof ny, paths[p], 'Y');
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            if (all[i] == FSCTL_DISMOUNT_VOLUME || all[i] == FSCTL_LOCK_VOLUME ||
                all[i] == FSCTL_UNLOCK_VOLUME)
                continue;
            assert_ok(stack_open(nx, GENERIC_READ, 0, 0, &x));
            assert_ok(stack_open(ny, GENERIC_READ, 0, 0, &y));
            for (size_t length = 0; length <= 64; length += 8) {
                nt_status sa = hf_ioctl(x, all[i], in, length, a, 64 - length, &da);
                nt_status sb = hf_ioctl(y, all[i], in, length, b, 64 - length, &db);
                if (sa != sb)
                    print_error("%s %08x, %zu bytes\n", ny, all[i], length);
                assert_int_equal(sa, sb);
                assert_int_equal(da, db);
                assert_memory_equal(a, b, da);
            }
            assert_ok(hf_close(x));
            assert_ok(hf_close(y));
        }
    }
    assert_ok(stack_open("\\\\.\\Y:", GENERIC_READ, 0, 0, &y));
    assert_status(hf_ioctl(y, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, NULL), STATUS_ACCESS_DENIED);
    assert_ok(hf_close(y));
}

// The largest reparse buffer does not fit into one message.
static void pieces(void **state)
{
    (void)state;
    hf_handle h;
    u8 in[MAXIMUM_REPARSE_DATA_BUFFER_SIZE] = {0}, out[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    size_t done;
    put_le32(in, 0x80000025);
    put_le16(in + 4, sizeof in - 8);
    for (size_t i = 8; i < sizeof in; i++)
        in[i] = (u8)(i >> 4);
    assert_ok(stack_open("Y:/file", GENERIC_READ | GENERIC_WRITE, FILE_CREATE, FILE_OPEN_REPARSE_POINT, &h));
    messages = 0;
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, in, sizeof in, NULL, 0, &done));
    assert_int_equal(messages, 3); // two pieces and the call
    assert_ok(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, out, sizeof out, &done));
    assert_int_equal(done, sizeof out);
    assert_memory_equal(in, out, sizeof out);
    assert_status(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, out, 16000, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 16000);
    assert_ok(hf_close(h));
}

// Privileges belong to the process that asks.
static void privileges(void **state)
{
    (void)state;
    u32 all = hf_set_privileges(0);
    hf_handle h;
    u8 link[24] = {0};
    put_le32(link, IO_REPARSE_TAG_SYMLINK);
    put_le16(link + 4, 14);
    put_le16(link + 10, 2);
    put_le16(link + 14, 2); // the print name is the same
    link[20] = 'a';
    assert_ok(stack_open("Y:/link", GENERIC_WRITE, FILE_CREATE, FILE_OPEN_REPARSE_POINT, &h));
    assert_status(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, link, 22, NULL, 0, NULL), STATUS_PRIVILEGE_NOT_HELD);
    (void)hf_set_privileges(all);
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, link, 22, NULL, 0, NULL));
    assert_ok(hf_close(h));
}

// --- the messages themselves ---------------------------------------------------------------------

static nt_status message(struct hf_linux_call *call, const void *in, u32 in_length, void *out, u32 out_length)
{
    call->in_length = in_length;
    call->out_length = out_length;
    assert_int_equal(hf_linux_exchange(send_message, (void *)(uintptr_t)7, call, in, out, NULL, 0), 0);
    return (nt_status)(int)call->status;
}

static void bad_messages(void **state)
{
    (void)state;
    u8 out[512];
    size_t used;
    struct call_fd fd = {.key = 7, .node = HF_NODE_ROOT, .file = door_root};
    struct hf_linux_call call = {.magic = HF_LINUX_MAGIC, .version = 1, .op = HF_LINUX_HELLO, .length = 1};
    assert_int_equal(call_serve(door, &caller, &fd, &call, sizeof call - 1, out, sizeof out, &used), EINVAL);
    assert_int_equal(call_serve(door, &caller, &fd, &call, sizeof call, out, sizeof out, &used), EINVAL);
    call.length = 0;
    assert_int_equal(call_serve(door, &caller, &fd, &call, sizeof call, out, sizeof call - 1, &used), EINVAL);
    call.magic++;
    assert_int_equal(call_serve(door, &caller, &fd, &call, sizeof call, out, sizeof out, &used), EINVAL);
    for (u32 op = 0; op < 70; op++) {
        call = (struct hf_linux_call){.op = (u16)op, .handle = 1234};
        assert_true(HF_STATUS_IS_ERROR(message(&call, NULL, 0, NULL, 0)));
    }
    // A handle is good on the descriptor that opened it, and nowhere else.
    call = (struct hf_linux_call){.op = HF_LINUX_READ, .handle = (uintptr_t)door_root};
    assert_status(message(&call, NULL, 0, out, 10), STATUS_INVALID_HANDLE);
}

static void staging_is_bounded(void **state)
{
    (void)state;
    u8 byte = 1;
    u64 first = 0;
    struct hf_linux_call call, head = {.magic = HF_LINUX_MAGIC,
                                       .version = 1,
                                       .op = HF_LINUX_STAGE,
                                       .length = 1,
                                       .in_length = HF_LINUX_BUFFER_MAX};
    u8 bytes[sizeof head + 1];
    for (int i = 0; i <= HF_LINUX_TRANSACTIONS_MAX; i++) {
        memcpy(bytes, &head, sizeof head);
        bytes[sizeof head] = byte;
        assert_int_equal(send_message((void *)(uintptr_t)7, bytes, sizeof bytes), 0);
        memcpy(&call, bytes, sizeof call);
        assert_int_equal(call.status, (u32)(i < HF_LINUX_TRANSACTIONS_MAX ? STATUS_SUCCESS
                                                                          : STATUS_INSUFFICIENT_RESOURCES));
        first = first ? first : call.transaction;
    }
    // Not whole yet, so it cannot be used.
    call = (struct hf_linux_call){.op = HF_LINUX_CONTROL, .transaction = first};
    call.magic = HF_LINUX_MAGIC;
    call.version = 1;
    memcpy(bytes, &call, sizeof call);
    assert_int_equal(send_message((void *)(uintptr_t)7, bytes, sizeof call), 0);
    memcpy(&call, bytes, sizeof call);
    assert_int_equal(call.status, (u32)STATUS_INVALID_PARAMETER);
    // A piece too early, and one too many.
    for (u64 offset = 0; offset <= 2; offset += 2) {
        call = head;
        call.transaction = first;
        call.offset = offset;
        memcpy(bytes, &call, sizeof call);
        assert_int_equal(send_message((void *)(uintptr_t)7, bytes, sizeof bytes), 0);
        memcpy(&call, bytes, sizeof call);
        assert_int_equal(call.status, (u32)STATUS_INVALID_PARAMETER);
    }
    call_forget(door, 7);
    memcpy(bytes, &head, sizeof head);
    assert_int_equal(send_message((void *)(uintptr_t)7, bytes, sizeof bytes), 0);
    memcpy(&call, bytes, sizeof call);
    assert_int_equal(call.status, STATUS_SUCCESS);
}

static void a_descriptor_takes_its_handles_along(void **state)
{
    (void)state;
    hf_handle h;
    put("X:/file", "1");
    assert_ok(
        hf_open("Y:/file", &(struct hf_open_options){.access = FILE_READ_DATA, .share = HF_SHARE_NONE}, &h));
    assert_status(probe("X:/file", 0), STATUS_SUCCESS);
    hf_handle other;
    assert_status(stack_open("X:/file", FILE_READ_DATA, 0, 0, &other), STATUS_SHARING_VIOLATION);
    call_forget(door, 7); // the client was killed
    assert_ok(stack_open("X:/file", FILE_READ_DATA, 0, 0, &other));
    assert_ok(hf_close(other));
    size_t done;
    u8 byte;
    assert_status(hf_read(h, 0, &byte, 1, &done), STATUS_INVALID_HANDLE);
    assert_ok(hf_close(h));
}

// --- rights --------------------------------------------------------------------------------------

static void own(const char *name, u32 uid, u32 gid, u32 mode)
{
    struct hf_attr attr = {.mode = mode, .uid = uid, .gid = gid};
    assert_ok(hf_node_set(door_root, file_id(name, FILE_OPEN_REPARSE_POINT),
                          HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID, &attr));
}

static bool in_group_7(void *context, uint32_t gid)
{
    (void)context;
    return gid == 7;
}

static nt_status as_other(const char *name, u32 access, u32 disposition, u32 options)
{
    hf_handle h;
    caller = (struct call_caller){.uid = 5, .gid = 6, .in_group = in_group_7};
    nt_status status = stack_open(name, access, disposition, options, &h);
    caller = (struct call_caller){.uid = 0};
    if (status == STATUS_SUCCESS)
        assert_ok(hf_close(h));
    return status;
}

static void rights(void **state)
{
    (void)state;
    own("X:/", 0, 0, 0755);
    make_directory("X:/open");
    own("X:/open", 0, 0, 0777);
    make_directory("X:/closed");
    own("X:/closed", 0, 0, 0700);
    put("X:/closed/file", "x");
    own("X:/closed/file", 5, 5, 0777);
    static const struct {
        u32 uid, gid, mode;
        nt_status read, write;
    } rows[] = {
        {5, 0, 0400, STATUS_SUCCESS, STATUS_ACCESS_DENIED},
        {5, 0, 0200, STATUS_ACCESS_DENIED, STATUS_SUCCESS},
        {5, 6, 0077, STATUS_ACCESS_DENIED, STATUS_ACCESS_DENIED}, // the owner has the owner's bits only
        {0, 6, 0040, STATUS_SUCCESS, STATUS_ACCESS_DENIED},
        {0, 7, 0060, STATUS_SUCCESS, STATUS_SUCCESS},
        {0, 6, 0707, STATUS_ACCESS_DENIED, STATUS_ACCESS_DENIED},
        {0, 0, 0006, STATUS_SUCCESS, STATUS_SUCCESS},
        {0, 0, 0770, STATUS_ACCESS_DENIED, STATUS_ACCESS_DENIED},
    };
    put("X:/file", "x");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        own("X:/file", rows[i].uid, rows[i].gid, rows[i].mode);
        assert_int_equal(as_other("Y:/file", FILE_READ_DATA, FILE_OPEN, 0), rows[i].read);
        assert_int_equal(as_other("Y:\\file", GENERIC_WRITE, FILE_OPEN, 0), rows[i].write);
        assert_ok(as_other("Y:/file", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    }
    own("X:/file", 0, 0, 0666);
    assert_status(as_other("Y:/file", DELETE, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    assert_status(as_other("Y:/new", GENERIC_WRITE, FILE_CREATE, 0), STATUS_ACCESS_DENIED);
    assert_status(as_other("Y:/closed/file", FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    assert_status(as_other("\\\\.\\Y:", FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    assert_ok(as_other("Y:/open/new", GENERIC_WRITE, FILE_CREATE, 0));
    struct hf_attr attr;
    assert_ok(hf_node_get(door_root, file_id("X:/open/new", 0), &attr));
    assert_int_equal(attr.uid, 5);
    assert_int_equal(attr.gid, 6);
    assert_ok(as_other("Y:/open/new", DELETE, FILE_OPEN, 0));
    own("X:/open/new", 0, 0, 0666);
    assert_ok(as_other("Y:/open/new", DELETE, FILE_OPEN, 0));
    own("X:/open", 0, 0, 01777);
    assert_status(as_other("Y:/open/new", DELETE, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    assert_ok(as_other("Y:/open/new", GENERIC_WRITE, FILE_OVERWRITE_IF, 0));
    own("X:/open/new", 0, 0, 0644);
    assert_status(as_other("Y:/open/new", FILE_READ_DATA, FILE_OVERWRITE_IF, 0), STATUS_ACCESS_DENIED);
    assert_status(as_other("Y:/open/none", FILE_READ_DATA, FILE_OPEN, 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(as_other("Y:/none/none", FILE_READ_DATA, FILE_OPEN, 0), STATUS_OBJECT_PATH_NOT_FOUND);
    make_link("X:/open/link", true, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "..\\closed");
    assert_status(as_other("Y:/open/link/file", FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    make_link("X:/to-open", true, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "open");
    assert_ok(as_other("Y:/to-open/new", FILE_READ_DATA, FILE_OPEN, 0));
    // An ACL may say less than the bits show.
    assert_ok(hf_xattr_set(door_root, file_id("X:/open/new", 0), "system.posix_acl_access", "x", 1, 0));
    assert_status(as_other("Y:/open/new", FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(attaching),
        CASE(data_both_ways),
        CASE(large_data),
        CASE(opening_as_on_the_volume),
        CASE(relative_and_by_number),
        CASE(links),
        CASE(names),
        CASE(listing),
        CASE(information),
        CASE(locks),
        CASE(codes),
        CASE(pieces),
        CASE(privileges),
        CASE(bad_messages),
        CASE(staging_is_bounded),
        CASE(a_descriptor_takes_its_handles_along),
        CASE(rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
