// SPDX-License-Identifier: Apache-2.0
// Memory that runs out: a fixed piece of work through the whole stack, again and again, each time with
// another allocation failing. Whatever fails fails with a status; the volume is clean afterwards, and what
// was flushed is there.
#include "tests/test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include <holdfast/posix.h>
#include <sys/stat.h>

enum { IMAGE = 4 << 20, ROUNDS_MAX = 5000 };

// The linker sends our allocations here (--wrap).
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static _Atomic int left = -1; // allocations until one fails; below 0: none will
static _Atomic bool failed;

static bool fails(void)
{
    if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

static char image[64], spec[80];
static char data[70000];

static nt_status with(const char *name, uint32_t access, uint32_t disposition, nt_status (*step)(hf_handle h))
{
    struct hf_open_options options = {.access = access, .disposition = disposition};
    hf_handle h;
    nt_status status = hf_open(name, &options, &h);
    if (status != STATUS_SUCCESS)
        return status;
    status = step(h);
    nt_status closed = hf_close(h);
    return status != STATUS_SUCCESS ? status : closed;
}

static nt_status write_all(hf_handle h)
{
    size_t done;
    nt_status status = hf_write(h, 0, data, sizeof data, &done);
    return status == STATUS_SUCCESS ? hf_flush(h) : status;
}

static nt_status cut(hf_handle h)
{
    FILE_END_OF_FILE_INFORMATION end = {.EndOfFile = 5000};
    return hf_set(h, FileEndOfFileInformation, &end, sizeof end);
}

static nt_status tag(hf_handle h)
{
    static const uint8_t buffer[] = {0x25, 0, 0, 0x80, 4, 0, 0, 0, 1, 2, 3, 4};
    size_t done;
    return hf_ioctl(h, FSCTL_SET_REPARSE_POINT, buffer, sizeof buffer, NULL, 0, &done);
}

static nt_status rename_and_link(hf_handle h)
{
    nt_status status = hf_rename(h, NULL, "X:\\d\\renamed", true);
    return status == STATUS_SUCCESS ? hf_link(h, NULL, "X:\\linked", false) : status;
}

static nt_status list(hf_handle h)
{
    static char entries[4096];
    size_t done;
    return hf_list(h, NULL, true, entries, sizeof entries, &done);
}

static nt_status nothing(hf_handle h)
{
    (void)h;
    return STATUS_SUCCESS;
}

// The first that fails ends it.
static nt_status nodes(hf_handle volume)
{
    static const struct hf_xattr xattr = {"user.a", data, 5000};
    static char out[4096];
    struct hf_attr d, f, l;
    struct hf_node_new what = {.mode = S_IFDIR | 0755};
    hf_handle h = NULL;
    size_t done;
    nt_status status = hf_node_create(volume, HF_NODE_ROOT, "nodes", &what, &d);
    what = (struct hf_node_new){.mode = S_IFREG | 0644, .xattrs = &xattr, .xattr_count = 1};
    status = status ? status : hf_node_create(volume, d.id, "file", &what, &f);
    what = (struct hf_node_new){.mode = S_IFLNK | 0777, .target = "file"};
    status = status ? status : hf_node_create(volume, d.id, "link", &what, &l);
    status = status ? status : hf_node_readlink(volume, l.id, out, sizeof out, &done);
    status = status ? status : hf_node_link(volume, f.id, d.id, "name", &f);
    status = status ? status : hf_node_rename(volume, d.id, "link", d.id, "name", HF_RENAME_EXCHANGE);
    status = status ? status : hf_node_rename(volume, d.id, "link", d.id, "name", 0);
    status = status ? status : hf_xattr_set(volume, f.id, "user.b", data, sizeof data / 2, 0);
    status = status ? status : hf_xattr_get(volume, f.id, "user.a", out, 0, &done);
    f.size = 100000;
    status = status ? status : hf_node_set(volume, f.id, HF_ATTR_SIZE | HF_ATTR_UID, &f);
    status = status ? status : hf_node_open(volume, d.id, FILE_LIST_DIRECTORY, &h);
    status = status ? status : hf_node_list(h, 0, HF_LIST_ATTR, out, sizeof out, &done);
    status = status ? status : hf_node_unlink(volume, d.id, "file", false);
    if (h) {
        nt_status closed = hf_close(h);
        status = status ? status : closed;
    }
    return status;
}

static nt_status unnamed(hf_handle volume)
{
    struct hf_node_new what = {.mode = S_IFREG | 0644};
    struct hf_attr attr;
    hf_handle h;
    nt_status status =
        hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, FILE_READ_DATA | FILE_WRITE_DATA, &attr, &h);
    if (status != STATUS_SUCCESS)
        return status;
    status = write_all(h);
    status = status ? status : cut(h);
    status = status ? status : hf_node_link(volume, attr.id, HF_NODE_ROOT, "first name", &attr);
    nt_status closed = hf_close(h);
    return status ? status : closed;
}

static const struct {
    const char *name;
    uint32_t access, disposition;
    nt_status (*step)(hf_handle h);
} steps[] = {
    {"X:\\new", FILE_WRITE_DATA, FILE_CREATE, write_all},
    {"X:\\new:stream", FILE_WRITE_DATA, FILE_OPEN_IF, write_all},
    {"X:\\new", FILE_WRITE_DATA, FILE_OPEN, cut},
    {"X:\\other", FILE_WRITE_ATTRIBUTES, FILE_CREATE, tag},
    {"X:\\new", DELETE | FILE_WRITE_ATTRIBUTES, FILE_OPEN, rename_and_link},
    {"X:\\d", FILE_LIST_DIRECTORY, FILE_OPEN, list},
    {"X:\\linked", DELETE, FILE_OPEN, hf_delete},
    {"X:/", FILE_READ_ATTRIBUTES, FILE_OPEN, nodes},
    {"X:/", FILE_READ_ATTRIBUTES, FILE_OPEN, unnamed},
    {"X:\\d\\kept", FILE_READ_DATA, FILE_OPEN, nothing},
};

static nt_status work(void)
{
    nt_status status = hf_attach("X:", spec);
    for (size_t i = 0; status == STATUS_SUCCESS && i < sizeof steps / sizeof steps[0]; i++)
        status = with(steps[i].name, steps[i].access, steps[i].disposition, steps[i].step);
    return status;
}

static void say(void *context, const struct hf_finding *f)
{
    print_error("round %d: %s %s: %s at %llu, %llu bytes\n", *(int *)context, f->kind, f->path, f->text,
                (unsigned long long)f->offset, (unsigned long long)f->length);
}

static nt_status make_kept(hf_handle h)
{
    (void)h;
    return with("X:\\d\\kept", FILE_WRITE_DATA, FILE_CREATE, write_all);
}

static void fresh_image(void)
{
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, IMAGE), 0);
    close(fd);
    assert_ok(hf_format(spec, NULL));
    assert_ok(hf_attach("X:", spec));
    struct hf_open_options options = {.disposition = FILE_CREATE, .options = FILE_DIRECTORY_FILE};
    hf_handle h;
    assert_ok(hf_open("X:\\d", &options, &h));
    assert_ok(make_kept(h));
    assert_ok(hf_close(h));
    assert_ok(hf_detach("X:"));
}

static nt_status read_kept(hf_handle h)
{
    static char back[sizeof data];
    size_t done;
    assert_ok(hf_read(h, 0, back, sizeof back, &done));
    assert_memory_equal(back, data, sizeof data);
    return STATUS_SUCCESS;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int n;
    struct hf_check_options check = {.data = true, .finding = say, .context = &n};
    struct hf_check_totals totals;
    for (n = 0; n < ROUNDS_MAX; n++) {
        fresh_image();
        atomic_store(&failed, false);
        atomic_store(&left, n);
        nt_status status = work();
        atomic_store(&left, -1);
        nt_status detached = hf_detach("X:");
        if (detached != STATUS_OBJECT_PATH_NOT_FOUND) // not even attached
            assert_ok(detached);
        assert_ok(hf_check(spec, &check, &totals));
        assert_ok(hf_attach("X:", spec));
        assert_ok(with("X:\\d\\kept", FILE_READ_DATA, FILE_OPEN, read_kept));
        assert_ok(hf_detach("X:"));
        if (!atomic_load(&failed)) {
            assert_ok(status);
            assert_true(n > 20);
            return;
        }
    }
    fail_msg("the work never ends");
}

static int setup(void **state)
{
    (void)state;
    snprintf(image, sizeof image, "/tmp/holdfast-alloc-%d.hf", (int)getpid());
    snprintf(spec, sizeof spec, "file:%s", image);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7 + i / 251);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests_name("alloc", tests, setup, teardown);
}
