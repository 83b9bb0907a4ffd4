// SPDX-License-Identifier: Apache-2.0
// Many threads through both doors on the same few names: POSIX operations by number and opens of the Windows
// door. No status is expected of any one request; the volume must be sound afterwards, and tsan and asan have
// nothing to say.
#include "tests/fs/node.h"

enum { THREADS = 6, ROUNDS = 3000, KINDS = 14 };

// A parent is locked before its child (src/fs/fs.h), and which of two directories that is changes with a
// rename; the detector, which remembers all orders that it ever saw, would call it a cycle. Renames hold
// vcb.rename, so no two of them lock objects at the same time; the parents are locked before, so nobody can
// hold one of the objects and want the other as its child. The sanitizer's library finds this only where it
// is exported.
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "deadlock:lock_objects\n";
}

static const char *const names[] = {"a", "b", "c", "d", "e"};
static u64 tops[3];              // directories that stay
static _Atomic u64 last_unnamed; // which another thread may give a name while its handle is being closed

struct worker {
    u32 seed;
    u32 done[KINDS]; // of each kind of operation, how many succeeded
};

static u32 draw(struct worker *w, u32 below)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 10) % below;
}

static u64 some_directory(struct worker *w)
{
    struct hf_attr attr;
    u64 id = tops[draw(w, ARRAY_LEN(tops))];
    // One level deeper, when there is one.
    if (draw(w, 2) && find(&root, id, names[draw(w, ARRAY_LEN(names))], &attr) == STATUS_SUCCESS &&
        S_ISDIR(attr.mode))
        id = attr.id;
    return id;
}

static void check_types(const u8 *out)
{
    const struct hf_node_entry *e = (const struct hf_node_entry *)(const void *)out;
    for (;; e = (const struct hf_node_entry *)(const void *)((const u8 *)e + e->next)) {
        u32 type = e->attr.mode & S_IFMT;
        assert_true(type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO);
        if (!e->next)
            return;
    }
}

static nt_status list_some(struct worker *w, u64 directory)
{
    struct file_object f;
    _Alignas(8) u8 out[512];
    u64 cookie = 0, done;
    nt_status status = open_node(&root, &f, directory, FILE_LIST_DIRECTORY);
    if (status != STATUS_SUCCESS)
        return status;
    for (u32 i = draw(w, 4); status == STATUS_SUCCESS; i--) {
        status = list(&f, cookie, draw(w, 2), out, sizeof out, &done);
        if (status == STATUS_SUCCESS && done)
            check_types(out);
        if (i == 0 || done == 0)
            break;
        memcpy(&cookie, out + offsetof(struct hf_node_entry, cookie), sizeof cookie);
    }
    assert_ok(volume_close(&f));
    return status;
}

static nt_status use(struct worker *w, u64 id)
{
    struct file_object f;
    char data[64] = "data";
    nt_status status = open_node(&root, &f, id, FILE_READ_DATA | FILE_WRITE_DATA);
    if (status != STATUS_SUCCESS)
        return status;
    status = volume_write(&f, draw(w, 100000), data, sizeof data);
    if (draw(w, 4) == 0)
        status = volume_flush(&f);
    nt_status closed = volume_close(&f);
    return status == STATUS_SUCCESS ? closed : status;
}

static nt_status unnamed(struct worker *w, u64 directory)
{
    struct file_object f;
    struct hf_node_new what = {.mode = S_IFREG | 0644};
    struct hf_attr attr;
    char data[64] = "data";
    nt_status status = open_unnamed(&root, &f, directory, &what, &attr);
    if (status != STATUS_SUCCESS)
        return status;
    atomic_store(&last_unnamed, attr.id);
    status = volume_write(&f, draw(w, 100000), data, sizeof data);
    FILE_END_OF_FILE_INFORMATION end = {.EndOfFile = draw(w, 10000)};
    if (status == STATUS_SUCCESS && draw(w, 2))
        status = volume_set(&f, FileEndOfFileInformation, &end, sizeof end);
    if (status == STATUS_SUCCESS && draw(w, 2))
        status = hard_link(&root, attr.id, directory, names[draw(w, ARRAY_LEN(names))]);
    nt_status closed = volume_close(&f);
    return status == STATUS_SUCCESS ? closed : status;
}

static nt_status by_path(struct worker *w)
{
    struct file_object f;
    char path[16];
    snprintf(path, sizeof path, "t%u\\%s", draw(w, ARRAY_LEN(tops)), names[draw(w, ARRAY_LEN(names))]);
    nt_status status =
        volume_open(&v, &f, path, DELETE | FILE_READ_DATA, draw(w, 2) ? FILE_OPEN : FILE_OPEN_IF,
                    draw(w, 3) ? 0 : FILE_DELETE_ON_CLOSE);
    if (status != STATUS_SUCCESS)
        return status;
    u32 flags = 1 | 2; // DELETE, POSIX_SEMANTICS
    if (draw(w, 3) == 0)
        status = volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags);
    nt_status closed = volume_close(&f);
    return status == STATUS_SUCCESS ? closed : status;
}

// What it is changes, whatever names it has and gets meanwhile.
static nt_status change_type(u64 id, bool back)
{
    struct file_object f;
    u8 fifo[8] = {0};
    nt_status status = open_node(&root, &f, id, FILE_WRITE_ATTRIBUTES | FILE_WRITE_DATA);
    if (status != STATUS_SUCCESS)
        return status;
    put_le32(fifo, IO_REPARSE_TAG_LX_FIFO);
    u32 code = back ? FSCTL_DELETE_REPARSE_POINT : FSCTL_SET_REPARSE_POINT;
    status = volume_fsctl(&f, code, fifo, sizeof fifo, NULL, 0, NULL);
    nt_status closed = volume_close(&f);
    return status == STATUS_SUCCESS ? closed : status;
}

static nt_status change(struct worker *w, u64 id)
{
    struct hf_attr attr = {.mode = 0600 + draw(w, 8), .size = draw(w, 10000)};
    struct irp_node n = {.id = id, .name = STR("user.a"), .in = "value", .length = draw(w, 6)};
    switch (draw(w, 6)) {
    case 5:
        return change_type(id, draw(w, 2));
    case 0:
        return node_send(&root, IRP_MN_XATTR_SET, &n, NULL);
    case 1:
        return node_send(&root, IRP_MN_XATTR_REMOVE, &n, NULL);
    case 2:
        return set(&root, id, HF_ATTR_SIZE, &attr);
    default:
        return set(&root, id, HF_ATTR_MODE, &attr);
    }
}

static nt_status step(struct worker *w, u32 what)
{
    static const u32 modes[] = {S_IFREG | 0644, S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777,
                                S_IFIFO | 0600};
    struct hf_node_new new = {.mode = modes[draw(w, ARRAY_LEN(modes))], .target = "a/b"};
    u64 directory = some_directory(w), other = some_directory(w);
    const char *name = names[draw(w, ARRAY_LEN(names))], *other_name = names[draw(w, ARRAY_LEN(names))];
    struct hf_attr attr = {.id = 0};
    if (what <= 1)
        return create(&root, directory, name, &new, &attr);
    if (what <= 3)
        return remove_node(&root, directory, name, draw(w, 3) == 0);
    if (what <= 5)
        return rename_node(&root, directory, name, other, other_name, draw(w, 3));
    if (what == 6)
        return list_some(w, directory);
    if (what == 7)
        return by_path(w);
    if (what == 12)
        return unnamed(w, directory);
    if (what == 13)
        return hard_link(&root, atomic_load(&last_unnamed), other, other_name);
    nt_status status = find(&root, directory, name, &attr);
    if (status != STATUS_SUCCESS || what == 8)
        return status;
    if (what == 9)
        return use(w, attr.id);
    return what == 10 ? change(w, attr.id) : hard_link(&root, attr.id, other, other_name);
}

static void *work(void *worker)
{
    struct worker *w = worker;
    for (int i = 0; i < ROUNDS; i++) {
        u32 what = draw(w, KINDS);
        w->done[what] += step(w, what) == STATUS_SUCCESS;
    }
    return NULL;
}

// What the other door left to be deleted is none of ours, but nothing may be missing or counted wrong.
static void check_volume(void)
{
    struct check_totals totals;
    struct check_options options = {.data = true};
    struct vcb *vcb = v.device->extension;
    assert_int_equal(vcb->handles, 1);
    assert_ok(store_commit(vcb->store));
    assert_ok(store_check(vcb->store, &options, &totals));
    assert_int_equal(totals.findings, 0);
}

static void a_sound_volume_remains(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    static struct worker workers[THREADS];
    struct store_format_options options = {.cluster = 4096, .options = OPTION_CASE_SENSITIVE};
    char top[8];
    volume_new(&v, &options);
    node_root(&v, &root);
    for (u32 i = 0; i < ARRAY_LEN(tops); i++) {
        snprintf(top, sizeof top, "t%u", i);
        tops[i] = make_node(&root, ROOT, top, S_IFDIR | 0755);
    }
    for (u32 i = 0; i < THREADS; i++) {
        workers[i].seed = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (u32 i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    // Each kind of operation must have had its chance.
    for (u32 what = 0; what < KINDS; what++) {
        u32 done = 0;
        for (u32 i = 0; i < THREADS; i++)
            done += workers[i].done[what];
        assert_true(done > 0);
    }
    check_volume();
    // Whichever names the files have after all that.
    u64 last = make_node(&root, tops[0], "last", S_IFREG | 0600);
    assert_ok(hard_link(&root, last, tops[1], "last"));
    assert_ok(change_type(last, false));
    for (u32 i = 0; i < ARRAY_LEN(tops) * ARRAY_LEN(names); i++) {
        struct hf_attr attr;
        const char *name = names[i / ARRAY_LEN(tops)];
        if (find(&root, tops[i % ARRAY_LEN(tops)], name, &attr) == STATUS_SUCCESS && S_ISREG(attr.mode))
            assert_ok(change_type(attr.id, false));
    }
    check_volume();
    assert_ok(volume_close(&root));
    struct vcb *vcb = v.device->extension;
    for (size_t i = 0; i < FCB_BUCKETS; i++)
        assert_null(vcb->buckets[i]);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_volume_remains),
    };
    return cmocka_run_group_tests_name("fs/node_threads", tests, NULL, NULL);
}
