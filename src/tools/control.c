// SPDX-License-Identifier: Apache-2.0
// Commands that send control codes: integrity (on files and trees) and ioctl (any code, bytes in and out
// as they are).
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

typedef FSCTL_GET_INTEGRITY_INFORMATION_BUFFER integrity_state;

static nt_status integrity_read(hf_handle h, integrity_state *state)
{
    size_t done;
    return hf_ioctl(h, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, state, sizeof *state, &done);
}

static bool is_enforced(const integrity_state *state)
{
    return !(state->Flags & FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF);
}

static void integrity_show(void *context, struct target *t, hf_handle h, const struct hf_stat *st)
{
    struct json_object *array = context;
    integrity_state state;
    (void)st;
    nt_status status = integrity_read(h, &state);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot get the integrity information");
        return;
    }
    if (!array) {
        printf("%-5s %-12s ", algorithm_name(state.ChecksumAlgorithm),
               is_enforced(&state) ? "enforced" : "not enforced");
        out_name(target_shown(t));
        putchar('\n');
        return;
    }
    struct json_object *object = json_object_new_object();
    json_add_text(object, "name", target_shown(t));
    json_add_number(object, "algorithm", state.ChecksumAlgorithm);
    json_add_text(object, "algorithm_name", algorithm_name(state.ChecksumAlgorithm));
    json_add_bool(object, "enforced", is_enforced(&state));
    json_add_number(object, "flags", state.Flags);
    json_add_number(object, "chunk", state.ChecksumChunkSizeInBytes);
    json_add_number(object, "cluster", state.ClusterSizeInBytes);
    json_object_array_add(array, object);
}

void command_integrity_get(const struct args *args)
{
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        if (target_attach(&t, ATTACH_READ))
            target_walk(&t, FILE_LIST_DIRECTORY, option_given(args, "recursive"), integrity_show, array);
        target_free(&t);
    }
    if (array)
        out_json(array);
}

struct integrity_change {
    bool on, keep, enforce, recursive;
};

static void integrity_apply(void *context, struct target *t, hf_handle h, const struct hf_stat *st)
{
    const struct integrity_change *change = context;
    integrity_state state;
    nt_status status = integrity_read(h, &state);
    // In a tree, enforcement is a matter of the files that have checksums.
    if (change->keep && change->recursive &&
        (is_directory(st) || (status == STATUS_SUCCESS && state.ChecksumAlgorithm == CHECKSUM_TYPE_NONE)))
        return;
    if (status == STATUS_SUCCESS) {
        FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_NONE};
        if (change->keep)
            set.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED;
        else if (change->on)
            set.ChecksumAlgorithm =
                state.ClusterSizeInBytes == 65536 ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_CRC32;
        if (!change->enforce)
            set.Flags = FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF;
        size_t done;
        status = hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, &done);
    }
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot set the integrity information%s",
                    !change->keep && st->size > 0 ? " (it can only be changed while a file is empty)" : "");
}

void command_integrity_set(const struct args *args)
{
    const char *state = args->words[0], *enforce = option_value(args, "enforce");
    struct integrity_change change = {
        .keep = strcmp(state, "keep") == 0,
        .enforce = !enforce || option_switch("--enforce", enforce),
        .recursive = option_given(args, "recursive"),
    };
    if (!change.keep)
        change.on = option_switch("integrity set", state);
    if (!change.keep && !change.on && !change.enforce)
        usage_error("integrity set: without checksums there is no enforcement to turn off");
    for (int i = 1; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        if (target_attach(&t, ATTACH_WRITE))
            target_walk(&t, FILE_READ_DATA | FILE_WRITE_DATA, change.recursive, integrity_apply, &change);
        target_free(&t);
    }
}

// --- ioctl ---------------------------------------------------------------------------------------

enum { OUT_DEFAULT = 4096, BUFFER_MAX = 1 << 26 };

static uint32_t parse_code(const char *text)
{
    uint32_t code;
    if (hf_code_from_name(text, &code))
        return code;
    if (!isdigit((unsigned char)text[0]))
        usage_error("ioctl: there is no control code '%s'", text);
    uint64_t number = parse_number("ioctl", text);
    if (number > UINT32_MAX)
        usage_error("ioctl: '%s' is larger than 32 bits", text);
    return (uint32_t)number;
}

static void ioctl_json(uint32_t code, nt_status status, const void *out, size_t done)
{
    struct json_object *object = json_object_new_object();
    json_add_number(object, "code", code);
    json_add_text(object, "code_name", hf_code_name(code));
    json_add_number(object, "status", (uint32_t)status);
    json_add_text(object, "status_name", hf_status_name(status));
    json_add_number(object, "win32", hf_status_to_win32(status));
    json_add_number(object, "returned", done);
    json_add_hex(object, "output", out, done);
    out_json(object);
}

struct ioctl_request {
    uint32_t code;
    unsigned char *in;
    size_t in_length, out_length;
};

static void ioctl_send(const struct args *args, const struct target *t, const struct ioctl_request *r)
{
    hf_handle h;
    size_t done = 0;
    uint32_t access = FILE_READ_DATA | (option_given(args, "write") ? FILE_WRITE_DATA : 0);
    nt_status status =
        target_open(t, access, FILE_OPEN, option_given(args, "no-follow") ? FILE_OPEN_REPARSE_POINT : 0, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    unsigned char *out = memory(r->out_length);
    status = hf_ioctl(h, r->code, r->in, r->in_length, r->out_length ? out : NULL, r->out_length, &done);
    if (status != STATUS_SUCCESS) {
        const char *name = hf_code_name(r->code);
        fail_status(target_shown(t), status, "%s (0x%08x)", name ? name : "unknown code", r->code);
    }
    // A warning, such as BUFFER_OVERFLOW, comes with data.
    if (option_given(args, "json"))
        ioctl_json(r->code, status, out, done);
    else if (done > 0 && option_given(args, "raw"))
        fwrite(out, 1, done, stdout);
    else if (done > 0)
        out_hex(out, done);
    free(out);
    handle_close(t, h);
}

void command_ioctl(const struct args *args)
{
    struct target t;
    struct ioctl_request r = {0};
    const char *in = option_value(args, "in"), *in_file = option_value(args, "in-file");
    if (in && in_file)
        usage_error("ioctl: --in and --in-file exclude each other");
    target_parse(&t, args->words[0], TARGET_DEVICE);
    r.code = parse_code(args->words[1]);
    if (in && !parse_hex(in, &r.in, &r.in_length))
        usage_error("ioctl: --in is not an even number of hex digits");
    uint64_t out_length = option_number(args, "out", in || in_file ? 0 : OUT_DEFAULT);
    if (out_length > BUFFER_MAX)
        usage_error("ioctl: --out is larger than %d", BUFFER_MAX);
    r.out_length = (size_t)out_length;
    uint32_t flags = (option_given(args, "write") ? ATTACH_WRITE : ATTACH_READ) |
                     (option_given(args, "removable") ? ATTACH_REMOVABLE : 0);
    if ((!in_file || file_read_all(in_file, BUFFER_MAX, &r.in, &r.in_length)) && target_attach(&t, flags))
        ioctl_send(args, &t, &r);
    free(r.in);
    target_free(&t);
}
