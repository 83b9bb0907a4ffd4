// SPDX-License-Identifier: Apache-2.0
// The tables of open files and streams: one object for each, references, times, write-back.
#include "tests/fs/volume.h"

static struct volume v;
static struct vcb *vcb;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    vcb = v.device->extension;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

static u64 id_of(const char *name)
{
    struct dirent entry;
    assert_ok(dirent_find(vcb->store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    return entry.id;
}

static void one_fcb_for_a_file(void **state)
{
    (void)state;
    struct fcb *a, *b;
    volume_put(&v, "f", "data");
    u64 id = id_of("f");
    assert_null(fcb_find(vcb, id));
    assert_ok(fcb_get(vcb, id, &a));
    assert_ok(fcb_get(vcb, id, &b));
    assert_ptr_equal(a, b);
    assert_ptr_equal(fcb_find(vcb, id), a);
    assert_int_equal(a->references, 3);
    assert_int_equal(a->inode.size, 4);
    for (int i = 0; i < 3; i++)
        fcb_put(a);
    assert_null(fcb_find(vcb, id));
    assert_status(fcb_get(vcb, 1ull << 60, &a), STATUS_FILE_INVALID);
    assert_null(a);
}

static void one_scb_for_a_stream(void **state)
{
    (void)state;
    struct fcb *fcb;
    struct scb *a, *b, *main_stream;
    volume_put(&v, "f", "data");
    volume_put(&v, "f:Stream", "data");
    assert_ok(fcb_get(vcb, id_of("f"), &fcb));
    assert_ok(scb_get(fcb, STR("stream"), &a));
    assert_ok(scb_get(fcb, STR("STREAM"), &b));
    assert_ptr_equal(a, b);
    assert_ok(scb_get(fcb, (struct str){0}, &main_stream));
    assert_ptr_not_equal(a, main_stream);
    assert_int_equal(fcb->references, 3); // ours and one for each stream
    assert_status(scb_get(fcb, STR("none"), &b), STATUS_OBJECT_NAME_NOT_FOUND);
    scb_put(a);
    scb_put(a);
    fcb_put(fcb);
    scb_put(main_stream); // the last one takes the fcb along
    assert_null(fcb_find(vcb, id_of("f")));
}

static void attributes_are_never_nothing(void **state)
{
    (void)state;
    struct fcb fcb = {0};
    assert_int_equal(fcb_attributes(&fcb), FILE_ATTRIBUTE_NORMAL);
    fcb.inode.attributes = FILE_ATTRIBUTE_HIDDEN;
    assert_int_equal(fcb_attributes(&fcb), FILE_ATTRIBUTE_HIDDEN);
}

static void touch_respects_what_the_user_set(void **state)
{
    (void)state;
    struct fcb *fcb;
    struct ccb ccb = {.user_set_written = true};
    volume_put(&v, "f", "data");
    assert_ok(fcb_get(vcb, id_of("f"), &fcb));
    fcb->inode.accessed = fcb->inode.written = fcb->inode.changed = 1;
    fcb->inode.attributes = 0;
    fcb_touch(fcb, &ccb, TIME_WRITTEN | TIME_CHANGED);
    {
        SCOPE_FCB(fcb);
        assert_int_equal(fcb->inode.written, 1);
        assert_int_not_equal(fcb->inode.changed, 1);
        assert_int_equal(fcb->inode.accessed, 1);
        assert_int_equal(fcb->inode.attributes, 0);
        assert_true(fcb->dirty);
    }
    fcb_touch(fcb, NULL, TIME_WRITTEN | TIME_ACCESSED | MARK_ARCHIVE);
    {
        SCOPE_FCB(fcb);
        assert_int_not_equal(fcb->inode.written, 1);
        assert_int_not_equal(fcb->inode.accessed, 1);
        assert_int_equal(fcb->inode.attributes, FILE_ATTRIBUTE_ARCHIVE);
    }
    fcb_put(fcb);
}

static void save_writes_once(void **state)
{
    (void)state;
    struct fcb *fcb;
    struct inode inode;
    volume_put(&v, "f", "data");
    assert_ok(fcb_get(vcb, id_of("f"), &fcb));
    fcb->inode.written = 12345;
    assert_ok(fcb_save(fcb)); // not dirty: nothing
    assert_ok(inode_get(vcb->store, fcb->id, &inode));
    assert_int_not_equal(inode.written, 12345);
    fcb->dirty = true;
    assert_ok(fcb_save(fcb));
    assert_ok(inode_get(vcb->store, fcb->id, &inode));
    assert_int_equal(inode.written, 12345);
    assert_int_equal(inode.size, 4);
    assert_false(fcb->dirty);
    fcb_put(fcb);
}

static void a_handle_finds_its_name_again(void **state)
{
    (void)state;
    struct file_object f;
    struct dirent entry;
    u64 parent;
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\f", "data");
    assert_ok(volume_open(&v, &f, "d\\F", FILE_READ_DATA, FILE_OPEN, 0));
    struct ccb *ccb = f.context;
    assert_ok(ccb_name(vcb, ccb, &parent, &entry));
    assert_int_equal(parent, id_of("d"));
    assert_int_equal(entry.name_len, 1);
    assert_memory_equal(entry.name, "f", 1);
    ccb->name[0] = 'x'; // as if it had been renamed through another handle
    assert_ok(ccb_name(vcb, ccb, &parent, &entry));
    assert_memory_equal(entry.name, "f", 1);
    assert_ok(volume_close(&f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_fcb_for_a_file),
        TEST(one_scb_for_a_stream),
        cmocka_unit_test(attributes_are_never_nothing),
        TEST(touch_respects_what_the_user_set),
        TEST(save_writes_once),
        TEST(a_handle_finds_its_name_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
