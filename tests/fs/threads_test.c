// SPDX-License-Identifier: Apache-2.0
// Many threads on one small tree: they create, delete, rename, link, list, read and write the same few names.
// No status is expected of any one request; the volume must be sound afterwards, and tsan and asan have
// nothing to say.
#include "tests/fs/volume.h"

enum { THREADS = 6, ROUNDS = 2000 };

static struct volume v;
static const char *const names[] = {"a", "b", "c", "f", "d\\a", "d\\b", "d\\c", "d\\e", "d\\e\\a", "d\\e\\b"};

static void close_if(struct file_object *f, nt_status opened)
{
    if (opened != STATUS_SUCCESS)
        return;
    nt_status status = volume_close(f);
    (void)status; // a deletion may have come too late
}

static void make(const char *path, bool directory)
{
    struct file_object f;
    u32 kind = directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE;
    nt_status opened = volume_open(&v, &f, path, FILE_WRITE_DATA, FILE_OPEN_IF, kind);
    nt_status status = opened == STATUS_SUCCESS && !directory ? volume_write(&f, 0, "hello", 5) : opened;
    (void)status;
    close_if(&f, opened);
}

static void name_it(u32 random, const char *from, const char *to)
{
    struct file_object f, d;
    char directory[16];
    const char *last = strrchr(to, '\\');
    snprintf(directory, sizeof directory, "%.*s", last ? (int)(last - to) : 0, to);
    nt_status opened = volume_open(&v, &f, from, DELETE, FILE_OPEN, 0);
    if (opened != STATUS_SUCCESS)
        return;
    nt_status parent = volume_open(&v, &d, directory, FILE_ADD_FILE, FILE_OPEN, FILE_DIRECTORY_FILE);
    if (parent == STATUS_SUCCESS) {
        nt_status status = volume_name(&f, random & 1 ? FileRenameInformation : FileLinkInformation, &d,
                                       last ? last + 1 : to, random & 2);
        (void)status;
    }
    close_if(&d, parent);
    close_if(&f, opened);
}

static void look(u32 random, const char *path)
{
    struct file_object f;
    u8 out[2048];
    nt_status opened = volume_open(&v, &f, path, FILE_READ_DATA, FILE_OPEN, 0);
    if (opened != STATUS_SUCCESS)
        return;
    nt_status status =
        random & 1 ? volume_list(&f, FileBothDirectoryInformation, "*", true, false, out, sizeof out, NULL)
                   : volume_read(&f, 0, out, 5, NULL);
    if (random & 2)
        status = volume_flush(&f);
    (void)status;
    close_if(&f, opened);
}

static void *work(void *seed_of_thread)
{
    struct file_object f;
    u32 seed = *(u32 *)seed_of_thread;
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525 + 1013904223;
        u32 random = seed >> 10, what = random % 6;
        const char *name = names[random / 6 % ARRAY_LEN(names)];
        const char *other = names[random / 60 % ARRAY_LEN(names)];
        random /= 600;
        if (what == 0)
            make(name, random & 1);
        else if (what == 1)
            close_if(&f, volume_open(&v, &f, name, DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
        else if (what <= 3)
            name_it(random, name, other);
        else
            look(random, what == 4 ? name : "d");
    }
    return NULL;
}

static void a_sound_volume_remains(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    u32 seeds[THREADS];
    struct check_totals totals;
    struct check_options options = {.data = true};
    volume_new(&v, NULL);
    volume_mkdir(&v, "d");
    for (u32 i = 0; i < THREADS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
    }
    for (u32 i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct vcb *vcb = v.device->extension;
    assert_int_equal(vcb->handles, 0);
    for (size_t i = 0; i < FCB_BUCKETS; i++)
        assert_null(vcb->buckets[i]);
    assert_ok(store_commit(vcb->store));
    assert_ok(store_check(vcb->store, &options, &totals));
    assert_int_equal(totals.findings, 0);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_volume_remains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
