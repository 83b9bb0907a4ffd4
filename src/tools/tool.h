// SPDX-License-Identifier: Apache-2.0
// What the files of the `holdfast` program share. A command is a row in the table of holdfast.c; it
// reports each failure as one line on stderr (out.c), goes on where it can, and the worst failure becomes
// the exit code.
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <stdio.h>

#include <json-c/json.h>

#include <holdfast/holdfast.h>

enum exit_code { RESULT_OK = 0, RESULT_FAILED = 1, RESULT_USAGE = 2, RESULT_CORRUPT = 3 };
enum { RESULT_FOREIGN = 2 };  // of probe, as blkid has it
enum { COPY_SIZE = 1 << 20 }; // bytes of one read or write of file data

// --- holdfast.c: commands and their words --------------------------------------------------------

struct option_row {
    char letter;       // 0: only the long name
    const char *name;  // "size", without dashes; NULL ends the list
    const char *value; // what the help text calls the value; NULL: takes none
    const char *help;
};

struct args;
typedef void command_fn(const struct args *args);

struct args {
    const struct command *command;
    int count;
    char **words; // what is not an option
    int given_count;
    struct given {
        const char *name, *value;
    } * given; // options in the order given
};

struct command {
    const char *name; // "ls", "integrity get"
    const char *words;
    const char *summary;
    const struct option_row *options;
    command_fn *run;
    int min, max;       // number of words; max -1: any
    bool stops_at_word; // everything from the first word on belongs to another program
};

bool option_given(const struct args *args, const char *name);
const char *option_value(const struct args *args, const char *name); // the last one; NULL: not given
// Walks through the values of a repeatable option: *i is 0 before the first.
const char *option_next(const struct args *args, const char *name, int *i);
// "4096", "0x1000", "64K", "1GiB"; anything else is a usage error.
uint64_t option_number(const struct args *args, const char *name, uint64_t otherwise);
bool option_switch(const char *name, const char *value); // "on" or "off"
uint64_t parse_number(const char *what, const char *text);
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

// --- out.c: lines for people, JSON for machines --------------------------------------------------

// "holdfast: WHERE: STATUS_DATA_CHECKSUM_ERROR (Win32 323): WHAT: details"
void fail_status(const char *where, nt_status status, const char *what, ...)
    __attribute__((format(printf, 3, 4)));
void fail_errno(const char *where, const char *what); // a failure of this machine's own files
void fail_text(const char *where, const char *what, ...) __attribute__((format(printf, 2, 3)));
void note(const char *where, const char *what); // not a failure
int out_result(void);                           // the exit code so far, after a flush of stdout
bool status_is_corruption(nt_status status);

void *memory(size_t size); // zeroed; ends the program when there is none
void *memory_grow(void *p, size_t size);
char *text_copy(const char *text);

void out_name(const char *name); // to stdout; a terminal gets no control characters
void out_hex(const void *data, size_t length);
bool parse_hex(const char *text, unsigned char **data, size_t *length); // blanks, ':' and ',' are skipped
bool file_read_all(const char *path, size_t limit, unsigned char **data, size_t *length); // reports
void out_json(struct json_object *object);                                                // prints and frees
void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_number(struct json_object *object, const char *key, uint64_t number);
void json_add_bool(struct json_object *object, const char *key, bool value);
void json_add_hex(struct json_object *object, const char *key, const void *data, size_t length);
void json_add_stat(struct json_object *object, const struct hf_stat *st);

struct time_text {
    char text[48];
};
struct time_text time_text(uint64_t time);        // "2024-02-29T12:00:00.1234567Z"
const char *attributes_text(uint32_t attributes); // "d-ra--i-"; static
const char *tag_name(uint32_t tag);               // "SYMLINK"; NULL: no name
const char *algorithm_name(uint32_t algorithm);   // "CRC32"
struct timespec;
struct timespec time_to_unix(uint64_t time);
uint64_t time_from_unix(struct timespec time);

// A bar on stderr when that is a terminal; silent otherwise.
void progress_start(uint64_t bytes);
void progress_add(uint64_t bytes, const char *name);
void progress_set(uint64_t done, uint64_t total); // the first one may begin somewhere in the middle
void progress_end(void);

// --- target.c: names like vol.hf:/dir/file -------------------------------------------------------

struct target {
    char *image;  // as the user wrote it; NULL: a device of $HOLDFAST_DEVICES
    char *name;   // what hf_open takes: "X:/dir/file", or "\\.\X:" for the volume
    bool mounted; // image is where the volume is mounted
    size_t length, room;
};

enum target_kind {
    TARGET_PATH,   // vol.hf:/path; "vol.hf:" is its root directory
    TARGET_DEVICE, // also "vol.hf:" for the volume itself, and \\.\NAME from $HOLDFAST_DEVICES
};
enum attach_flags { ATTACH_READ = 0, ATTACH_WRITE = 1, ATTACH_REMOVABLE = 2 };

bool word_is_target(const char *word);                                        // has it the form vol.hf:/path?
void target_parse(struct target *t, const char *word, enum target_kind kind); // other forms are usage errors
char *image_of(const char *word);                           // of "vol.hf", "vol.hf:" or "vol.hf:/"
struct target target_volume_root(const char *word);         // the root directory of such a volume
bool target_attach(const struct target *t, uint32_t flags); // reports
const char *image_holder(const char *image);                // ": process 123 (holdfast) has it open", or ""
void target_detach(void); // of what is attached, if anything; commits and reports
void target_set_drive(const char *letter);
char target_drive(void);
void target_free(struct target *t);

void target_copy(struct target *t, const struct target *from);
size_t target_push(struct target *t, const char *component); // returns what target_pop wants
size_t target_append(struct target *t, const char *text);    // the same, without a '/' before it
void target_pop(struct target *t, size_t length);
const char *
target_shown(const struct target *t); // "vol.hf:/dir/file", for messages; valid till the next call
const char *target_basename(const struct target *t); // "" for the root
bool target_is_root(const struct target *t);
void target_stream(struct target *t, const char *stream); // now names a stream of the file; NULL: leaves it

nt_status target_open(const struct target *t, uint32_t access, uint32_t disposition, uint32_t options,
                      hf_handle *h);
void handle_close(const struct target *t, hf_handle h); // reports
bool target_is_directory(const struct target *t);       // links are followed

struct entry {
    struct hf_stat stat;
    char *name;
};
struct listing {
    struct entry *entries;
    size_t count, room;
};
nt_status listing_read(hf_handle directory, struct listing *out); // without "." and ".."
void listing_free(struct listing *l);

static inline bool is_link(const struct hf_stat *st)
{
    return st->attributes & FILE_ATTRIBUTE_REPARSE_POINT;
}
static inline bool is_directory(const struct hf_stat *st) // one that can be listed
{
    return st->attributes & FILE_ATTRIBUTE_DIRECTORY && !is_link(st);
}

// Calls visit for the file or directory and, when recursive, for all below it, a directory before its
// children. Links are visited, not followed. Reports what cannot be opened or listed.
typedef void visit_fn(void *context, struct target *t, hf_handle h, const struct hf_stat *st);
void target_walk(struct target *t, uint32_t access, bool recursive, visit_fn *visit, void *context);

// --- image.c -------------------------------------------------------------------------------------

char *image_spec(const char *image); // "file:IMAGE" or, of a block device, "dev:IMAGE"; to be freed
// One thing that is wrong with a volume, as a line, or added to the array.
void finding_out(const char *image, const struct hf_finding *f, struct json_object *array);

// --- copy.c --------------------------------------------------------------------------------------

// hf_read; END_OF_FILE is success with *done 0. Where a checksum fails in a long read, what is good
// before it comes first, so that the failure names the offset of the rotten 16 KiB unit.
nt_status data_read(hf_handle h, uint64_t offset, void *buffer, size_t length, size_t *done);

// --- reparse.c -----------------------------------------------------------------------------------

union reparse_buffer {
    REPARSE_DATA_BUFFER data;
    REPARSE_GUID_DATA_BUFFER guid;
    unsigned char bytes[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
};
nt_status reparse_read(hf_handle h, union reparse_buffer *buffer, size_t *length);
// The names of a symbolic link or mount point as UTF-8, to be freed; false for other tags and broken buffers.
bool reparse_names(const union reparse_buffer *buffer, size_t length, char **substitute, char **print);
// What a POSIX system would call the link's target: '/' for '\', no "\??\X:".
char *reparse_posix_target(const union reparse_buffer *buffer, size_t length);
// Make the open file a symbolic link to a POSIX target ("../a", "/a": from the volume's root).
nt_status reparse_set_symlink(hf_handle h, const char *target);

// --- mount.c -------------------------------------------------------------------------------------

// What mount(8), or umount(8), says to a helper as words of this program, in room for 2 * count + 4, the
// first left free: how many; 0: nothing is to be done, -1: not understood.
int mount_helper_words(bool ends, int count, char **words, char **out);

// --- commands ------------------------------------------------------------------------------------

command_fn command_format, command_check, command_corrupt, command_run; // image.c
command_fn command_scrub;                                               // scrub.c
command_fn command_probe;                                               // probe.c
command_fn command_dump;                                                // dump.c
command_fn command_events;                                              // events.c
command_fn command_ls, command_tree, command_cat, command_rm, command_mv, command_mkdir, command_stat,
    command_df;
command_fn command_put, command_get;                                                     // copy.c
command_fn command_ln, command_reparse_get, command_reparse_set, command_reparse_delete; // reparse.c
command_fn command_integrity_get, command_integrity_set, command_ioctl;                  // control.c
command_fn command_media_status, command_media_eject, command_media_load;                // media.c
command_fn command_mount, command_umount;                                                // mount.c

#endif
