// SPDX-License-Identifier: Apache-2.0
// A volume behind a mount without a mount: drive Y: is X: through the messages of holdfast/linux.h, given
// straight to the server. Every native call must answer on Y: as it does on X:.
#include "tests/handle/stack.h"

#include <sys/stat.h>

#include <holdfast/posix.h>

#include "tools/mount_call.h"

static struct call_door *door;
static hf_handle door_root;
static struct call_caller caller;
static u64 door_node = HF_NODE_ROOT; // the descriptor's directory
static size_t lie_at;                // in an answer; 0: none
static u32 lie;
static unsigned messages, changes, privileges_dropped;
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
    struct call_fd fd = {.key = (uintptr_t)context, .node = door_node, .file = door_root, .directory = true};
    size_t used;
    assert_true(size <= sizeof answer);
    messages++;
    int error = call_serve(door, &caller, &fd, message, size, answer, size, &used);
    assert_true(used <= size);
    if (lie_at && used > lie_at + 4)
        memcpy(answer + lie_at, &lie, sizeof lie);
    memcpy(message, answer, used);
    return error;
}

static nt_status writes(void *context, uint64_t node, bool root)
{
    (void)context, (void)node;
    privileges_dropped += !root;
    return STATUS_SUCCESS;
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
    door_node = HF_NODE_ROOT;
    assert_ok(call_open(
        &(struct call_options){.drive = "X:", .uid = 1000, .changed = changed, .writes = writes}, &door));
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

// Nodes are opened, and that is all.
static void nodes(void **state)
{
    (void)state;
    struct hf_node_new what = {.mode = S_IFREG | 0600};
    struct hf_attr attr;
    hf_handle root, h;
    nt_status refused = STATUS_INVALID_DEVICE_REQUEST;
    put("X:/f", "f");
    assert_ok(hf_open("Y:/", NULL, &root));
    assert_ok(hf_node_open(root, file_id("X:/f", 0), FILE_READ_DATA, &h));
    assert_ok(hf_close(h));
    assert_status(hf_node_get(root, HF_NODE_ROOT, &attr), refused);
    assert_status(hf_node_create(root, HF_NODE_ROOT, "g", &what, &attr), refused);
    assert_status(hf_node_create_unnamed(root, HF_NODE_ROOT, &what, 0, &attr, &h), refused);
    assert_null(h);
    assert_ok(hf_close(root));
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

// A mount is whatever its server says: entries must not lead out of the buffer.
static void listings_that_lie(void **state)
{
    (void)state;
    static u8 buffer[4096];
    hf_handle h;
    size_t done, head = sizeof(struct hf_linux_call);
    static const u32 values[] = {1, 8, 4000, 5000, 0x7ffffff0, UINT32_MAX};
    put("X:/a", "x");
    put("X:/b", "x");
    assert_ok(stack_open("Y:/", FILE_LIST_DIRECTORY, 0, 0, &h));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        lie = values[i];
        lie_at = head + offsetof(struct hf_dirent, next);
        assert_status(hf_list(h, NULL, true, buffer, sizeof buffer, &done), STATUS_INTERNAL_ERROR);
        lie_at = lie > 8 ? head + offsetof(struct hf_dirent, name_length) : lie_at;
        assert_status(hf_list(h, NULL, true, buffer, sizeof buffer, &done), STATUS_INTERNAL_ERROR);
        lie_at = 0;
        assert_ok(hf_list(h, NULL, true, buffer, sizeof buffer, &done));
        lie_at = head + 60;
        if (lie > 8)
            assert_status(hf_query_directory(h, FileFullDirectoryInformation, NULL, true, false, buffer,
                                             sizeof buffer, &done),
                          STATUS_INTERNAL_ERROR);
        lie_at = 0;
    }
    for (u32 class_ = 0; class_ < 80; class_++) { // and those that tell the truth are believed
        nt_status status = hf_query_directory(h, class_, NULL, true, false, buffer, sizeof buffer, &done);
        assert_true(status != STATUS_INTERNAL_ERROR);
    }
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

// --- messages that no library of ours sends, from somebody ----------------------------------------

static u64 raw_node; // that was opened

static nt_status raw_open(u64 related, u32 flags, u32 access, u32 disposition, u32 options, const char *path,
                          u64 *h)
{
    u8 in[256], out[512];
    struct hf_linux_open ask = {.related = related,
                                .flags = flags,
                                .access = access,
                                .share = 7,
                                .disposition = disposition,
                                .options = options,
                                .umask = 022};
    struct hf_linux_opened opened = {0};
    struct hf_linux_call call = {.op = HF_LINUX_OPEN};
    memcpy(in, &ask, sizeof ask);
    memcpy(in + sizeof ask, path, strlen(path));
    nt_status status = message(&call, in, (u32)(sizeof ask + strlen(path)), out, sizeof out);
    if (status == STATUS_SUCCESS)
        memcpy(&opened, out, sizeof opened);
    *h = opened.handle;
    raw_node = opened.node;
    return status;
}

static void raw_open_ok(u32 access, const char *path, u64 *h)
{
    assert_ok(raw_open(0, 0, access, FILE_OPEN, 0, path, h));
}

static nt_status raw_name(u16 op, u64 h, u64 directory, u32 flags, const char *name)
{
    u8 in[256];
    struct hf_linux_target target = {.directory = directory, .flags = flags};
    struct hf_linux_call call = {.op = op, .handle = h};
    memcpy(in, &target, sizeof target);
    memcpy(in + sizeof target, name, strlen(name));
    return message(&call, in, (u32)(sizeof target + strlen(name)), NULL, 0);
}

static nt_status raw_code(u64 h, u32 code, const void *in, u32 length)
{
    struct hf_linux_call call = {.op = HF_LINUX_CONTROL, .handle = h, .code = code, .privileges = ~0u};
    return message(&call, in, length, NULL, 0);
}

// Root's world, and somebody's corner in it.
static void somebody(void)
{
    own("X:/", 0, 0, 0755);
    make_directory("X:/closed");
    make_directory("X:/closed/inner");
    put("X:/closed/file", "secret");
    put("X:/readable", "r");
    put("X:/writable", "w");
    make_directory("X:/mine");
    put("X:/mine/file", "m");
    own("X:/closed/inner", 0, 0, 0777);
    own("X:/closed/file", 0, 0, 0666);
    own("X:/closed", 0, 0, 0700);
    own("X:/readable", 0, 0, 0644);
    own("X:/writable", 0, 0, 0666);
    own("X:/mine", 5, 6, 0755);
    own("X:/mine/file", 5, 6, 0644);
    caller = (struct call_caller){.uid = 5, .gid = 6};
}

static void hostile_paths(void **state)
{
    (void)state;
    u64 root, windows, h;
    somebody();
    raw_open_ok(0, "", &root);
    assert_ok(raw_open(0, HF_LINUX_OPEN_WINDOWS, 0, FILE_OPEN, 0, "", &windows));
    static const char *const paths[] = {"closed/file",
                                        "closed\\file",
                                        "mine/../closed/file",
                                        "closed//file",
                                        "./closed/file",
                                        "closed/file:x",
                                        "closed::$INDEX_ALLOCATION\\file"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        for (u32 flags = 0; flags < 4; flags++)
            for (int from = 0; from < 3; from++) {
                u64 related = from == 0 ? 0 : from == 1 ? root : windows;
                u32 asked = (flags & 1 ? (u32)HF_LINUX_OPEN_WINDOWS : 0) |
                            (flags & 2 ? (u32)HF_LINUX_OPEN_PARENT : 0);
                nt_status status = raw_open(related, asked, FILE_READ_DATA, FILE_OPEN, 0, paths[i], &h);
                // What one component is to whoever reads it so has the start as its parent.
                if (status == STATUS_SUCCESS)
                    assert_true(asked & HF_LINUX_OPEN_PARENT && raw_node == HF_NODE_ROOT);
            }
    char number[24];
    u64 id = file_id("X:/closed/file", 0);
    snprintf(number, sizeof number, "%llu", (unsigned long long)id);
    assert_status(raw_open(0, 0, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID, number, &h), STATUS_ACCESS_DENIED);
    assert_status(raw_open(root, 0, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID, number, &h), STATUS_ACCESS_DENIED);
    assert_status(raw_open(0, HF_LINUX_OPEN_VOLUME, 0, FILE_OPEN, 0, "", &h), STATUS_ACCESS_DENIED);
}

static void hostile_names(void **state)
{
    (void)state;
    u64 root, mine, h, readable, writable, file, twice;
    hf_handle second;
    somebody();
    caller.uid = 0;
    make_directory("X:/later"); // so that his name is the first
    put("X:/mine/second", "x"); // root has given it a name of his own too
    own("X:/mine/second", 5, 6, 0644);
    assert_ok(stack_open("X:/mine/second", 0, 0, 0, &second));
    assert_ok(hf_link(second, NULL, "X:/later/second", 0));
    assert_ok(hf_close(second));
    caller.uid = 5;
    raw_open_ok(0, "", &root);
    raw_open_ok(0, "mine", &mine);
    raw_open_ok(DELETE | FILE_WRITE_DATA, "mine/file", &h);
    raw_open_ok(FILE_READ_ATTRIBUTES, "readable", &readable);
    raw_open_ok(FILE_READ_ATTRIBUTES, "writable", &writable);
    // A directory that he may not write, whatever he opened it with; ways around its name.
    assert_status(raw_name(HF_LINUX_RENAME, h, root, 0, "planted"), STATUS_ACCESS_DENIED);
    assert_status(raw_name(HF_LINUX_RENAME, h, root, 1, "readable"), STATUS_ACCESS_DENIED);
    assert_status(raw_name(HF_LINUX_RENAME, h, root, 0, "closed/inner/planted"), STATUS_OBJECT_NAME_INVALID);
    assert_status(raw_name(HF_LINUX_LINK, h, root, 0, "closed/inner/planted"), STATUS_OBJECT_NAME_INVALID);
    assert_status(raw_name(HF_LINUX_LINK, h, root, 0, "planted"), STATUS_ACCESS_DENIED);
    // What he may not write gets no more names.
    assert_status(raw_name(HF_LINUX_LINK, readable, mine, 0, "link"), STATUS_ACCESS_DENIED);
    assert_ok(raw_name(HF_LINUX_LINK, writable, mine, 0, "link"));
    own("X:/writable", 0, 0, 04666);
    assert_status(raw_name(HF_LINUX_LINK, writable, mine, 0, "second"), STATUS_ACCESS_DENIED);
    own("X:/writable", 0, 0, 0666);
    // His name of root's file makes no link of it under root's name.
    static const u8 tag[8] = {0x0b, 0, 0, 0x80};
    raw_open_ok(FILE_WRITE_DATA | DELETE, "mine/link", &file);
    assert_status(raw_code(file, FSCTL_SET_REPARSE_POINT, tag, sizeof tag), STATUS_ACCESS_DENIED);
    raw_open_ok(FILE_WRITE_DATA, "mine/second", &twice);
    assert_status(raw_code(twice, FSCTL_SET_REPARSE_POINT, tag, sizeof tag), STATUS_ACCESS_DENIED);
    assert_ok(raw_code(h, FSCTL_SET_REPARSE_POINT, tag, sizeof tag));
    // Deleting asks at the moment it is done.
    own("X:/mine", 0, 0, 0755);
    struct hf_linux_call call = {.op = HF_LINUX_SET, .handle = file, .code = FileDispositionInformation};
    assert_status(message(&call, &(u8){1}, 1, NULL, 0), STATUS_ACCESS_DENIED);
    assert_status(raw_name(HF_LINUX_RENAME, file, mine, 0, "other"), STATUS_ACCESS_DENIED);
    // In a sticky directory nothing of others is replaced.
    own("X:/mine", 0, 0, 01777);
    own("X:/mine/link", 0, 0, 0666);
    assert_status(raw_name(HF_LINUX_RENAME, h, mine, 1, "link"), STATUS_ACCESS_DENIED);
    own("X:/mine/link", 5, 6, 0666); // not even his own, which could become another's meanwhile
    assert_status(raw_name(HF_LINUX_RENAME, h, mine,
                           FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS, "link"),
                  STATUS_ACCESS_DENIED);
    assert_ok(raw_name(HF_LINUX_RENAME, h, mine, 1, "again"));
}

static void hostile_devices(void **state)
{
    (void)state;
    u64 h;
    u8 nfs[24] = {0x14, 0, 0, 0x80, 16, 0, 0, 0, 'B', 'L', 'K', 0, 0, 0, 0, 0, 8},
       nfs_fifo[16] = {0x14, 0, 0, 0x80, 8, 0, 0, 0, 'F', 'I', 'F', 'O'},
       ex[32 + 8] = {[32] = 0x25, 0, 0, 0x80};
    static const u8 chr[8] = {0x25, 0, 0, 0x80}, blk[8] = {0x26, 0, 0, 0x80};
    somebody();
    raw_open_ok(FILE_WRITE_DATA, "mine/file", &h);
    assert_status(raw_code(h, FSCTL_SET_REPARSE_POINT, chr, sizeof chr), STATUS_ACCESS_DENIED);
    assert_status(raw_code(h, FSCTL_SET_REPARSE_POINT, blk, sizeof blk), STATUS_ACCESS_DENIED);
    assert_status(raw_code(h, FSCTL_SET_REPARSE_POINT, nfs, sizeof nfs), STATUS_ACCESS_DENIED);
    assert_status(raw_code(h, FSCTL_SET_REPARSE_POINT_EX, ex, sizeof ex), STATUS_ACCESS_DENIED);
    assert_ok(raw_code(h, FSCTL_SET_REPARSE_POINT, nfs_fifo, sizeof nfs_fifo));
    // Not even in two steps.
    assert_status(raw_code(h, FSCTL_SET_REPARSE_POINT, nfs, sizeof nfs), STATUS_ACCESS_DENIED);
    caller = (struct call_caller){.uid = 0};
    assert_ok(raw_code(h, FSCTL_SET_REPARSE_POINT, nfs, sizeof nfs));
}

// Who may not write a file keeps nobody from it.
static void hostile_locks(void **state)
{
    (void)state;
    hf_handle other;
    u64 h;
    somebody();
    u8 in[64], out[64];
    struct hf_linux_open ask = {.access = FILE_READ_DATA, .disposition = FILE_OPEN};
    struct hf_linux_opened opened;
    struct hf_linux_call call = {.op = HF_LINUX_OPEN};
    memcpy(in, &ask, sizeof ask);
    memcpy(in + sizeof ask, "readable", 8);
    assert_ok(message(&call, in, sizeof ask + 8, out, sizeof out)); // shared with nobody, he says
    memcpy(&opened, out, sizeof opened);
    assert_ok(stack_open("X:/readable", GENERIC_READ | GENERIC_WRITE, 0, 0, &other));
    call = (struct hf_linux_call){.op = HF_LINUX_LOCK, .handle = opened.handle, .extra = 100};
    assert_status(message(&call, NULL, 0, NULL, 0), STATUS_ACCESS_DENIED);
    call.flags = HF_LINUX_EXCLUSIVE;
    assert_status(message(&call, NULL, 0, NULL, 0), STATUS_ACCESS_DENIED);
    assert_ok(hf_lock(other, 0, 100, true, false));
    assert_ok(hf_close(other));
    raw_open_ok(FILE_READ_DATA, "mine/file", &h);
    call = (struct hf_linux_call){.op = HF_LINUX_LOCK, .handle = h, .extra = 100};
    assert_ok(message(&call, NULL, 0, NULL, 0));
}

static void hostile_writes(void **state)
{
    (void)state;
    u64 h;
    somebody();
    raw_open_ok(FILE_WRITE_DATA | FILE_READ_DATA | FILE_WRITE_ATTRIBUTES, "writable", &h);
    struct hf_linux_call call = {.op = HF_LINUX_WRITE, .handle = h};
    u64 range[2] = {0, 1}, end = 0;
    FILE_BASIC_INFORMATION basic = {.LastWriteTime = 1};
    privileges_dropped = 0;
    assert_ok(message(&call, "x", 1, NULL, 0));
    assert_int_equal(privileges_dropped, 1);
    assert_ok(raw_code(h, FSCTL_SET_ZERO_DATA, range, sizeof range));
    assert_int_equal(privileges_dropped, 2);
    call = (struct hf_linux_call){.op = HF_LINUX_SET, .handle = h, .code = FileEndOfFileInformation};
    assert_ok(message(&call, &end, sizeof end, NULL, 0));
    assert_int_equal(privileges_dropped, 3);
    assert_ok(raw_open(0, 0, FILE_WRITE_DATA, FILE_OVERWRITE, 0, "writable", &end));
    assert_int_equal(privileges_dropped, 4);
    // Times are the owner's.
    call = (struct hf_linux_call){.op = HF_LINUX_SET, .handle = h, .code = FileBasicInformation};
    assert_status(message(&call, &basic, sizeof basic, NULL, 0), STATUS_ACCESS_DENIED);
    caller.uid = 0;
    assert_ok(message(&call, &basic, sizeof basic, NULL, 0));
    assert_int_equal(privileges_dropped, 4);
}

// A descriptor below the root, as in a bind mount: root is confined there too.
static void only_a_part_is_seen(void **state)
{
    (void)state;
    u64 h, inside;
    char number[24];
    somebody();
    caller = (struct call_caller){.uid = 0};
    make_directory("X:/four");
    put("X:/four/file", "as long as his");
    u64 file = file_id("X:/four/file", 0), mine = file_id("X:/mine/file", 0);
    door_node = file_id("X:/mine", 0);
    assert_status(raw_open(0, 0, 0, FILE_OPEN, 0, "readable", &h), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(HF_STATUS_IS_ERROR(raw_open(0, 0, 0, FILE_OPEN, 0, "../readable", &h)));
    assert_true(HF_STATUS_IS_ERROR(raw_open(0, 0, 0, FILE_OPEN, 0, "/readable", &h)));
    assert_status(raw_open(0, HF_LINUX_OPEN_VOLUME, 0, FILE_OPEN, 0, "", &h), STATUS_ACCESS_DENIED);
    snprintf(number, sizeof number, "%llu", (unsigned long long)file);
    assert_status(raw_open(0, 0, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID, number, &h), STATUS_ACCESS_DENIED);
    snprintf(number, sizeof number, "%llu", (unsigned long long)mine);
    assert_ok(raw_open(0, 0, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID, number, &h));
    assert_ok(raw_open(0, HF_LINUX_OPEN_WINDOWS, 0, FILE_OPEN, 0, "file", &h));
    assert_ok(raw_open(0, 0, 0, FILE_OPEN, 0, "", &inside));
    assert_ok(raw_open(inside, 0, 0, FILE_CREATE, 0, "new", &h));
    assert_ok(probe("X:/mine/new", 0));
    // Links may lead out, and whoever follows them must ask again from the top, which he does not see.
    door_node = HF_NODE_ROOT;
    make_link("X:/mine/link", false, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "..\\readable");
    door_node = file_id("X:/mine", 0);
    assert_status(raw_open(0, 0, 0, FILE_OPEN, 0, "link", &h), STATUS_STOPPED_ON_SYMLINK);
}

// One user's handles and memory leave room for others.
static void one_user_does_not_take_all(void **state)
{
    (void)state;
    somebody();
    struct hf_linux_call head = {.magic = HF_LINUX_MAGIC,
                                 .version = 1,
                                 .op = HF_LINUX_STAGE,
                                 .length = 1,
                                 .in_length = HF_LINUX_BUFFER_MAX},
                         answer;
    u8 bytes[sizeof head + 1] = {0};
    unsigned room[2] = {0};
    for (int root = 0; root < 2; root++) {
        caller = (struct call_caller){.uid = root ? 0 : 5};
        for (uintptr_t key = 100; key < 120; key++) {
            memcpy(bytes, &head, sizeof head);
            assert_int_equal(send_message((void *)key, bytes, sizeof bytes), 0);
            memcpy(&answer, bytes, sizeof answer);
            room[root] += answer.status == 0;
        }
    }
    assert_int_equal(room[0], 16);
    assert_int_equal(room[1], 20);
    for (uintptr_t key = 100; key < 120; key++)
        call_forget(door, key);
    caller = (struct call_caller){.uid = 5};
    memcpy(bytes, &head, sizeof head);
    assert_int_equal(send_message((void *)(uintptr_t)100, bytes, sizeof bytes), 0);
    memcpy(&answer, bytes, sizeof answer);
    assert_int_equal(answer.status, 0);
    call_forget(door, 100);
}

// Owner, mode and group are there from the first moment; streams are for who may write the file.
static void what_is_created(void **state)
{
    (void)state;
    struct hf_attr attr;
    mode_t before = umask(027);
    u64 h;
    somebody();
    own("X:/mine", 5, 8, 02775);
    assert_ok(as_other("Y:/mine/new", GENERIC_WRITE, FILE_CREATE, 0));
    assert_ok(hf_node_get(door_root, file_id("X:/mine/new", 0), &attr));
    assert_int_equal(attr.mode, S_IFREG | 0640);
    assert_int_equal(attr.uid, 5);
    assert_int_equal(attr.gid, 8);
    assert_true(attr.attributes & FILE_ATTRIBUTE_ARCHIVE);
    assert_ok(as_other("Y:\\mine\\dir", 0, FILE_OPEN_IF, FILE_DIRECTORY_FILE));
    assert_ok(hf_node_get(door_root, file_id("X:/mine/dir", 0), &attr));
    assert_int_equal(attr.mode, S_IFDIR | 02750);
    umask(0777);
    assert_ok(as_other("Y:/mine/none", GENERIC_ALL, FILE_CREATE, 0)); // the first handle is not asked
    assert_status(as_other("Y:/mine/none", FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    umask(before);
    assert_ok(as_other("Y:\\mine\\file:stream", GENERIC_WRITE, FILE_CREATE, 0));
    assert_ok(as_other("Y:\\writable:stream", GENERIC_WRITE, FILE_OPEN_IF, 0));
    assert_status(as_other("Y:\\readable:stream", FILE_READ_DATA, FILE_CREATE, 0), STATUS_ACCESS_DENIED);
    assert_status(as_other("Y:\\readable:stream", FILE_READ_DATA, FILE_OPEN, 0),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    caller = (struct call_caller){.uid = 5, .gid = 6};
    assert_ok(raw_open(0, 0, FILE_WRITE_DATA, FILE_OPEN_IF, 0, "mine/other", &h));
    assert_ok(hf_node_get(door_root, file_id("X:/mine/other", 0), &attr));
    assert_int_equal(attr.mode, S_IFREG | 0644);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(attaching),
        CASE(nodes),
        CASE(data_both_ways),
        CASE(large_data),
        CASE(opening_as_on_the_volume),
        CASE(relative_and_by_number),
        CASE(links),
        CASE(names),
        CASE(listing),
        CASE(listings_that_lie),
        CASE(information),
        CASE(locks),
        CASE(codes),
        CASE(pieces),
        CASE(privileges),
        CASE(bad_messages),
        CASE(staging_is_bounded),
        CASE(a_descriptor_takes_its_handles_along),
        CASE(rights),
        CASE(hostile_paths),
        CASE(hostile_names),
        CASE(hostile_devices),
        CASE(hostile_locks),
        CASE(hostile_writes),
        CASE(only_a_part_is_seen),
        CASE(one_user_does_not_take_all),
        CASE(what_is_created),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
