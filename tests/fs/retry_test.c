// SPDX-License-Identifier: Apache-2.0
// The card that is in goes out and comes back at each device command of a request: whatever step it was on
// its way to, the request is done once. Nothing of the volume is in memory when a request begins, so that
// each has many commands.
#include "block/blk_sim.h"
#include "tests/fs/node.h"

enum { MEDIUM_SIZE = 16 << 20, FILLERS = 200, APPENDED = 5 << 19, CARD = 0, MOST_COMMANDS = 2000, C = 4096 };

static struct volume v;
static struct blk *sim;
static u8 made[MEDIUM_SIZE];
static char data[APPENDED];
static struct file_object f, dir;
static nt_status status;
static u64 information;

static void put_fillers(void)
{
    char name[32];
    for (u32 i = 0; i < FILLERS; i++) {
        snprintf(name, sizeof name, "dir\\filler%04u", i);
        volume_put(&v, name, "x");
    }
}

static int media_make(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = C};
    memset(data, 'D', sizeof data);
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    assert_ok(store_format(sim, &options));
    volume_attach(&v, sim, true);
    volume_put(&v, "a", "start");
    volume_put(&v, "b", "b");
    volume_put(&v, "a:gone", "gone");
    volume_mkdir(&v, "dir");
    volume_mkdir(&v, "empty");
    put_fillers();
    assert_ok(volume_open(&v, &f, "full", FILE_WRITE_DATA, FILE_CREATE, 0));
    for (u32 i = 0; i < 20; i++)
        assert_ok(volume_write(&f, i * 2 * C, data, C));
    assert_ok(volume_close(&f));
    struct device *device;
    assert_ok(dev_mount(v.drive, &device));
    assert_ok(fs_dismount(device));
    dev_release(device);
    blk_sim_peek(sim, CARD, made, MEDIUM_SIZE, 0);
    dev_release(v.device);
    dev_release(v.drive);
    return 0;
}

static void volume_begin(void)
{
    enum { STEP = 65536 };
    static const u8 zeros[STEP];
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    for (u64 at = 0; at < MEDIUM_SIZE; at += STEP)
        if (memcmp(made + at, zeros, STEP) != 0)
            assert_ok(blk_pwrite(sim, made + at, STEP, at, NULL));
    volume_attach(&v, sim, true);
}

// All is written, and the volume is whole.
static void volume_end(void)
{
    struct check_totals totals;
    struct store *store;
    struct blk *copy;
    static u8 bytes[MEDIUM_SIZE];
    assert_ok(fs_dismount(v.device));
    blk_sim_peek(sim, CARD, bytes, MEDIUM_SIZE, 0);
    assert_ok(blk_sim_new(MEDIUM_SIZE, 0, &copy));
    assert_ok(blk_pwrite(copy, bytes, MEDIUM_SIZE, 0, NULL));
    assert_ok(store_open(copy, 0, 0, &store));
    assert_ok(store_check(store, &(struct check_options){.data = true}, &totals));
    assert_ok(store_close(store));
    blk_close(copy);
    dev_release(v.device);
    dev_release(v.drive);
}

static void open_f(const char *path, u32 access, u32 options)
{
    assert_ok(volume_open(&v, &f, path, access, FILE_OPEN, options));
}

static void open_dir(void)
{
    assert_ok(volume_open(&v, &dir, "dir", FILE_READ_DATA, FILE_OPEN, FILE_DIRECTORY_FILE));
}

static u64 number_of(const char *path)
{
    struct file_object one;
    FILE_INTERNAL_INFORMATION id;
    assert_ok(volume_open(&v, &one, path, FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&one, FileInternalInformation, &id, sizeof id, NULL));
    assert_ok(volume_close(&one));
    return (u64)id.IndexNumber;
}

static void standard_of(const char *path, FILE_STANDARD_INFORMATION *info)
{
    struct file_object one;
    assert_ok(volume_open(&v, &one, path, FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&one, FileStandardInformation, info, sizeof *info, NULL));
    assert_ok(volume_close(&one));
}

static void basic_of(const char *path, FILE_BASIC_INFORMATION *info)
{
    struct file_object one;
    assert_ok(volume_open(&v, &one, path, FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    assert_ok(volume_query(&one, FileBasicInformation, info, sizeof *info, NULL));
    assert_ok(volume_close(&one));
}

static void expect_size(const char *path, u64 size)
{
    FILE_STANDARD_INFORMATION info;
    standard_of(path, &info);
    assert_int_equal(info.EndOfFile, size);
}

static nt_status create_path(const char *path, u32 disposition, u32 options, u32 attributes)
{
    struct volume_create c = {.path = path,
                              .access = FILE_READ_ATTRIBUTES,
                              .disposition = disposition,
                              .options = options,
                              .attributes = attributes};
    nt_status created = volume_create_once(&v, &f, &c);
    information = c.information;
    return created;
}

// --- the requests: what comes before, the one that is watched, what must have come of it ----------

static void append_prepare(void)
{
    open_f("a", FILE_APPEND_DATA, 0);
}
static void append_send(void)
{
    struct irp irp = {.major = IRP_MJ_WRITE};
    irp.p.write.data = data;
    irp.p.write.length = sizeof data;
    irp.p.write.offset = UINT64_MAX;
    status = volume_send(&f, &irp);
    information = irp.information;
}
static void append_expect(void)
{
    assert_int_equal(information, sizeof data);
    assert_ok(volume_close(&f));
    expect_size("a", 5 + sizeof data);
}

static void through_prepare(void)
{
    open_f("a", FILE_APPEND_DATA, FILE_WRITE_THROUGH);
}
static void through_send(void)
{
    status = volume_write(&f, 0, "two;", 4);
}
static void through_expect(void)
{
    assert_ok(volume_close(&f));
    volume_expect(&v, "a", "starttwo;");
}

static void write_prepare(void)
{
    open_f("a", FILE_WRITE_DATA, FILE_WRITE_THROUGH);
}
static void write_send(void)
{
    status = volume_write(&f, 2, data, sizeof data);
}
static void write_expect(void)
{
    assert_ok(volume_close(&f));
    expect_size("a", 2 + sizeof data);
}

static void create_prepare(void) {}
static void create_send(void)
{
    status = create_path("dir\\filler0150b:s", FILE_CREATE, 0, 0);
}
static void create_expect(void)
{
    assert_int_equal(information, FILE_CREATED);
    assert_ok(volume_close(&f));
    assert_ok(volume_probe(&v, "dir\\filler0150b:s", 0));
    volume_expect(&v, "dir\\filler0150b", "");
}

static void mkdir_send(void)
{
    status = create_path("dir\\filler0150b", FILE_CREATE, FILE_DIRECTORY_FILE, 0);
}
static void stream_send(void)
{
    status = create_path("dir\\filler0150:s", FILE_CREATE, 0, 0);
}
static void stream_expect(void)
{
    assert_int_equal(information, FILE_CREATED);
    assert_ok(volume_close(&f));
    volume_expect(&v, "dir\\filler0150:s", "");
}

static void mkdir_expect(void)
{
    assert_int_equal(information, FILE_CREATED);
    assert_ok(volume_close(&f));
    assert_ok(volume_probe(&v, "dir\\filler0150b", FILE_DIRECTORY_FILE));
}

static void overwrite_prepare(void)
{
    open_f("full", FILE_WRITE_DATA, 0);
    assert_ok(volume_fsctl(&f, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_close(&f));
}
static void overwrite_send(void)
{
    status = create_path("full", FILE_OVERWRITE, 0, FILE_ATTRIBUTE_READONLY);
}
static void overwrite_expect(void)
{
    FILE_BASIC_INFORMATION info;
    assert_int_equal(information, FILE_OVERWRITTEN);
    assert_ok(volume_close(&f));
    expect_size("full", 0);
    basic_of("full", &info);
    assert_int_equal(info.FileAttributes, FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_ARCHIVE);
    struct store *store = ((struct vcb *)v.device->extension)->store;
    struct stream *stream;
    struct stream_info stream_info;
    assert_ok(stream_open(store, number_of("full"), (struct str){0}, &stream));
    stream_get_info(stream, &stream_info);
    stream_close(stream);
    assert_false(stream_info.sparse);
}

static void rename_prepare(void)
{
    open_f("a", DELETE, 0);
    open_dir();
}
static void rename_send(void)
{
    status = volume_name(&f, FileRenameInformation, &dir, "filler0150", FILE_RENAME_REPLACE_IF_EXISTS);
}
static void rename_expect(void)
{
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&dir));
    assert_status(volume_probe(&v, "a", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "dir\\filler0150", "start");
}

static void link_send(void)
{
    status = volume_name(&f, FileLinkInformation, &dir, "filler0150b", 0);
}
static void link_expect(void)
{
    FILE_STANDARD_INFORMATION info;
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&dir));
    standard_of("a", &info);
    assert_int_equal(info.NumberOfLinks, 2);
    volume_expect(&v, "dir\\filler0150b", "start");
}

static void delete_prepare(void)
{
    open_f("full", DELETE, 0);
    assert_ok(volume_delete(&f));
}
static void close_send(void)
{
    status = volume_close(&f);
}
static void delete_expect(void)
{
    assert_status(volume_probe(&v, "full", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void delete_on_close_prepare(void)
{
    open_f("empty", DELETE, FILE_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE);
}
static void delete_on_close_expect(void)
{
    assert_status(volume_probe(&v, "empty", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void delete_stream_prepare(void)
{
    open_f("a:gone", DELETE, 0);
    assert_ok(volume_delete(&f));
}
static void delete_stream_expect(void)
{
    assert_status(volume_probe(&v, "a:gone", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "a", "start");
}

// Two handles had the deleted file: the first one's name went before, the data go with the last.
static void orphan_prepare(void)
{
    open_f("full", DELETE | FILE_READ_DATA, 0);
    u32 flags = 3; // delete, POSIX semantics
    struct file_object other;
    assert_ok(volume_open(&v, &other, "full", DELETE, FILE_OPEN, 0));
    assert_ok(volume_set(&other, FileDispositionInformationEx, &flags, sizeof flags));
    assert_ok(volume_close(&other));
    assert_status(volume_probe(&v, "full", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static FILE_BASIC_INFORMATION before;

static void times_prepare(void)
{
    basic_of("a", &before);
    open_f("a", FILE_WRITE_DATA, 0);
    assert_ok(volume_write(&f, 0, "S", 1));
}
static void times_expect(void)
{
    FILE_BASIC_INFORMATION after;
    basic_of("a", &after);
    assert_true(after.LastWriteTime > before.LastWriteTime);
    volume_expect(&v, "a", "Start");
}

static const u8 tag_data[] = {0x34, 0x12, 0, 0,  4,  0,  0,  0,  1,  2,  3,   4,   5,   6,
                              7,    8,    9, 10, 11, 12, 13, 14, 15, 16, 'd', 'a', 't', 'a'};

static void reparse_prepare(void)
{
    open_f("dir\\filler0150", FILE_WRITE_DATA | FILE_READ_DATA, FILE_OPEN_REPARSE_POINT);
}
static void reparse_send(void)
{
    status = volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, tag_data, sizeof tag_data, NULL, 0, NULL);
}
static void reparse_expect(void)
{
    u8 out[64];
    u64 done;
    assert_ok(volume_fsctl(&f, FSCTL_GET_REPARSE_POINT, NULL, 0, out, sizeof out, &done));
    assert_int_equal(done, sizeof tag_data);
    assert_ok(volume_close(&f));
}

static void untag_prepare(void)
{
    reparse_prepare();
    reparse_send();
    assert_ok(status);
}
static void untag_send(void)
{
    u8 in[24];
    memcpy(in, tag_data, sizeof in);
    put_le16(in + 4, 0);
    status = volume_fsctl(&f, FSCTL_DELETE_REPARSE_POINT, in, sizeof in, NULL, 0, NULL);
}
static void untag_expect(void)
{
    u8 out[64];
    assert_status(volume_fsctl(&f, FSCTL_GET_REPARSE_POINT, NULL, 0, out, sizeof out, NULL),
                  STATUS_NOT_A_REPARSE_POINT);
    assert_ok(volume_close(&f));
}

static void cut_prepare(void)
{
    basic_of("full", &before);
    open_f("full", FILE_WRITE_DATA, 0);
}
static void cut_send(void)
{
    u64 size = 1000;
    status = volume_set(&f, FileEndOfFileInformation, &size, sizeof size);
}
static void cut_expect(void)
{
    FILE_BASIC_INFORMATION after;
    assert_ok(volume_close(&f));
    expect_size("full", 1000);
    basic_of("full", &after);
    assert_true(after.LastWriteTime > before.LastWriteTime);
}

static void list_prepare(void)
{
    assert_ok(volume_open(&v, &dir, "dir", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE));
}
static void list_send(void)
{
    u8 out[1024];
    status = volume_list(&dir, FileNamesInformation, "nothing*", false, false, out, sizeof out, NULL);
    status = status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
static void list_expect(void)
{
    assert_ok(volume_close(&dir));
}

static u64 parent;

static void node_prepare(void)
{
    parent = number_of("dir");
    node_root(&v, &f);
}
static void node_create_send(void)
{
    struct hf_node_new what = {.mode = S_IFLNK | 0777, .target = "filler0001"};
    struct hf_attr attr;
    struct irp_node n = {.id = parent, .name = node_text("filler0150b"), .what = &what, .attr = &attr};
    status = node_send(&f, IRP_MN_NODE_CREATE, &n, NULL);
}
static void node_expect(void)
{
    assert_ok(volume_close(&f));
    assert_ok(volume_probe(&v, "dir\\filler0150b", FILE_OPEN_REPARSE_POINT));
}
static void node_unlink_send(void)
{
    status = remove_node(&f, parent, "filler0150", false);
}
static void node_unlink_expect(void)
{
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "dir\\filler0150", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}
static void node_rename_send(void)
{
    status = rename_node(&f, parent, "filler0150", parent, "filler0150b", HF_RENAME_NOREPLACE);
}

static u64 number;
static void node_link_prepare(void)
{
    node_prepare();
    number = number_of("a");
}
static void node_link_send(void)
{
    status = hard_link(&f, number, parent, "filler0150b");
}
static void xattr_send(void)
{
    struct irp_node n = {
        .id = number, .name = node_text("user.x"), .in = data, .length = 3000, .flags = HF_XATTR_CREATE};
    status = node_send(&f, IRP_MN_XATTR_SET, &n, NULL);
}
static void xattr_expect(void)
{
    static char out[4096];
    u64 done;
    struct irp_node n = {.id = number, .name = node_text("user.x"), .out = out, .length = sizeof out};
    assert_ok(node_send(&f, IRP_MN_XATTR_GET, &n, &done));
    assert_int_equal(done, 3000);
    assert_ok(volume_close(&f));
}

static const struct request {
    const char *name;
    void (*prepare)(void);
    void (*send)(void);
    void (*expect)(void);
} requests[] = {
    {"append", append_prepare, append_send, append_expect},
    {"append, written through", through_prepare, through_send, through_expect},
    {"write, written through", write_prepare, write_send, write_expect},
    {"create a file and a stream", create_prepare, create_send, create_expect},
    {"create a directory", create_prepare, mkdir_send, mkdir_expect},
    {"create a stream", create_prepare, stream_send, stream_expect},
    {"overwrite", overwrite_prepare, overwrite_send, overwrite_expect},
    {"rename over a file", rename_prepare, rename_send, rename_expect},
    {"link", rename_prepare, link_send, link_expect},
    {"delete by close", delete_prepare, close_send, delete_expect},
    {"delete on close", delete_on_close_prepare, close_send, delete_on_close_expect},
    {"delete a stream by close", delete_stream_prepare, close_send, delete_stream_expect},
    {"the last close of a deleted file", orphan_prepare, close_send, delete_expect},
    {"times by close", times_prepare, close_send, times_expect},
    {"set a reparse point", reparse_prepare, reparse_send, reparse_expect},
    {"delete a reparse point", untag_prepare, untag_send, untag_expect},
    {"cut", cut_prepare, cut_send, cut_expect},
    {"list without a match", list_prepare, list_send, list_expect},
    {"make a link node", node_prepare, node_create_send, node_expect},
    {"unlink a node", node_prepare, node_unlink_send, node_unlink_expect},
    {"rename a node", node_prepare, node_rename_send, node_expect},
    {"link a node", node_link_prepare, node_link_send, node_expect},
    {"make an extended attribute", node_link_prepare, xattr_send, xattr_expect},
};

// False: the request has fewer commands.
static bool swap_at(const struct request *r, u64 n)
{
    volume_begin();
    r->prepare();
    store_purge(((struct vcb *)v.device->extension)->store);
    blk_sim_plan(sim, n, CARD);
    r->send();
    bool met = blk_sim_planned(sim) == 0;
    if (status != STATUS_SUCCESS)
        fail_msg("%s: the card out and in at command %llu: %s", r->name, (unsigned long long)n,
                 status_name(status));
    r->expect();
    volume_end();
    return met;
}

static void a_request_is_done_once(void **state)
{
    const struct request *r = *state;
    u64 n = 1;
    while (swap_at(r, n)) {
        n++;
        assert_true(n < MOST_COMMANDS);
    }
    print_message("# %llu moments\n", (unsigned long long)n - 1);
}

// The drive is reset before it flushes, and has forgotten what it had cached when it is asked the next time.
static enum { FINE, RESETS, FORGETS } drive;
static nt_status reset(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    (void)context, (void)offset;
    if (kind == SIM_FLUSH && drive == RESETS) {
        drive = FORGETS;
        return sense_report(sense, 6, 0x29, 0);
    }
    if (kind == SIM_READY && drive == FORGETS) {
        drive = FINE;
        assert_ok(blk_sim_lose(sim, CARD, 7));
    }
    return STATUS_SUCCESS;
}

// What a write-through said is written is there, though the try that wrote it was for nothing.
static void what_the_device_lost_is_written_again(void **state)
{
    (void)state;
    static char seen[APPENDED];
    for (u32 append = 0; append < 2; append++) {
        u64 at = append ? 5 : 0, done;
        volume_begin();
        blk_sim_cache(sim, CARD);
        blk_sim_watch(sim, reset, NULL);
        open_f("a", FILE_READ_DATA | FILE_APPEND_DATA | FILE_WRITE_DATA, FILE_WRITE_THROUGH);
        drive = RESETS;
        assert_ok(volume_write(&f, append ? UINT64_MAX : 0, data, sizeof data));
        assert_int_equal(drive, FINE);
        assert_ok(volume_read(&f, at, seen, sizeof seen, &done));
        assert_int_equal(done, sizeof data);
        assert_memory_equal(seen, data, sizeof data);
        assert_ok(volume_close(&f));
        expect_size("a", at + sizeof data);
        volume_end();
    }
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(requests) + 1];
    for (u32 i = 0; i < ARRAY_LEN(requests); i++)
        tests[i] = (struct CMUnitTest){.name = requests[i].name,
                                       .test_func = a_request_is_done_once,
                                       .initial_state = (void *)(uintptr_t)&requests[i]};
    tests[ARRAY_LEN(requests)] = (struct CMUnitTest)cmocka_unit_test(what_the_device_lost_is_written_again);
    return cmocka_run_group_tests_name("retry", tests, media_make, NULL);
}
