// SPDX-License-Identifier: Apache-2.0
// The `holdfast` program: THE table of commands and options, from which parsing, help and completion come
// and with which the man page is compared by a test. A new command is a row here and a command_NAME
// function elsewhere.
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

static const struct option_row common_options[] = {
    {0, "drive", "L", "attach the image as drive L: (default X:), for links that name a drive"},
    {'h', "help", NULL, "print this text"},
    {0},
};

#define OPTIONS(name, ...) static const struct option_row name##_options[] = {__VA_ARGS__ __VA_OPT__(, ){0}}
#define JSON                          \
    {                                 \
        0, "json", NULL, "print JSON" \
    }
#define STREAM                                                   \
    {                                                            \
        0, "stream", "NAME", "use this named stream of the file" \
    }
#define NO_FOLLOW(text)              \
    {                                \
        'P', "no-follow", NULL, text \
    }

OPTIONS(no, );
OPTIONS(json, JSON);
OPTIONS(format, {0, "size", "SIZE", "size of the image: bytes, or with K, M, G, T"},
        {0, "cluster", "SIZE", "cluster size, 4K (default) or 64K"}, {0, "label", "NAME", "volume label"},
        {0, "case-sensitive", NULL, "names that differ in case are different names"},
        {0, "integrity", "on|off", "integrity streams for new files (default on)"},
        {0, "copies", "N", "copies of metadata, 1 or 2 (default)"},
        {0, "option", "NAME", "no-integrity, no-reparse, integrity-change=any, ...; repeatable"},
        {'f', "force", NULL, "overwrite a volume or another non-empty file"});
OPTIONS(ls, {'l', "long", NULL, "attributes, size and time too"}, JSON);
OPTIONS(cat, {0, "offset", "N", "start at this byte"}, {0, "length", "N", "read that many bytes"}, STREAM);
OPTIONS(put, {'f', "force", NULL, "overwrite existing files"}, STREAM);
OPTIONS(get, {'f', "force", NULL, "overwrite existing files"}, STREAM);
OPTIONS(rm, {'r', "recursive", NULL, "directories and all below them"},
        {'f', "force", NULL, "missing files are no error; read-only files too"}, STREAM);
OPTIONS(mv, {'f', "force", NULL, "replace an existing file"});
OPTIONS(mkdir, {'p', "parents", NULL, "make missing parents, accept an existing directory"});
OPTIONS(ln, {'s', "symbolic", NULL, "make a symbolic link with this text"},
        {0, "junction", NULL, "make a mount point to an absolute directory"},
        {0, "directory", NULL, "with -s: a link to a directory, even if that does not exist yet"});
OPTIONS(stat, {'L', "follow", NULL, "the target of a link, not the link"}, JSON);
OPTIONS(integrity_get, {'r', "recursive", NULL, "all below a directory too"}, JSON);
OPTIONS(integrity_set, {0, "enforce", "on|off", "refuse to return data that fails its checksum (default on)"},
        {'r', "recursive", NULL, "all below a directory too"});
OPTIONS(reparse_get, {0, "raw", NULL, "the whole buffer, as bytes"},
        {0, "hex", NULL, "the whole buffer, in hex"}, JSON);
OPTIONS(reparse_set, {0, "file", "FILE", "the whole buffer, as bytes; - for stdin"},
        {0, "hex", "HEX", "the whole buffer, in hex"});
OPTIONS(media, JSON);
OPTIONS(ioctl, {0, "in", "HEX", "input buffer, in hex"}, {0, "in-file", "FILE", "input buffer, as bytes"},
        {0, "out", "N", "size of the output buffer (default 4096 without input, else 0)"},
        {'w', "write", NULL, "open for writing too"}, NO_FOLLOW("a link itself, not its target"),
        {0, "removable", NULL, "attach the image as a removable medium"},
        {0, "raw", NULL, "print the output as bytes, not in hex"}, JSON);
OPTIONS(check, {0, "no-data", NULL, "metadata only: do not read the files' data"}, JSON);
OPTIONS(scrub, {0, "resume", "FILE", "go on from the position in FILE; keep it there when interrupted"},
        JSON);
OPTIONS(corrupt, {0, "offset", "N", "the byte at this offset of the file (or of the page; default 0)"},
        {0, "page", "N", "damage the N-th metadata page (from 0)"}, STREAM);
OPTIONS(run, {0, "device", "NAME=SPEC", "a device, such as X:=file:vol.hf,removable; repeatable"});
#ifdef HOLDFAST_MOUNT
OPTIONS(mount, {'o', "options", "LIST", "ro, noatime, allow_other, uid=N, ...: see holdfast-mount(8)"},
        {'f', "foreground", NULL, "stay in the foreground, print what is logged"});
OPTIONS(umount, {'l', "lazy", NULL, "free the directory now, end when nobody uses the mount any more"});
#endif
OPTIONS(help, {0, "commands", NULL, "only the names of the commands"},
        {0, "options", NULL, "only the options of the command"});

static command_fn command_help, command_version;

static const struct command commands[] = {
    {"format", "FILE", "make FILE an empty volume", format_options, command_format, 1, 1, false},
    {"ls", "VOL:/PATH...", "list directories", ls_options, command_ls, 1, -1, false},
    {"tree", "VOL:/PATH", "show a directory and all below it", json_options, command_tree, 1, 1, false},
    {"cat", "VOL:/FILE...", "print files", cat_options, command_cat, 1, -1, false},
    {"put", "LOCAL... VOL:/PATH", "copy files and directories into a volume; - is stdin", put_options,
     command_put, 2, -1, false},
    {"get", "VOL:/PATH... LOCAL", "copy files and directories out of a volume", get_options, command_get, 2,
     -1, false},
    {"rm", "VOL:/PATH...", "remove files and directories", rm_options, command_rm, 1, -1, false},
    {"mv", "VOL:/PATH... VOL:/PATH", "rename or move within a volume", mv_options, command_mv, 2, -1, false},
    {"mkdir", "VOL:/DIR...", "make directories", mkdir_options, command_mkdir, 1, -1, false},
    {"ln", "TARGET VOL:/LINK", "make a hard link, a symbolic link or a mount point", ln_options, command_ln,
     2, 2, false},
    {"stat", "VOL:/PATH...", "show everything about a file", stat_options, command_stat, 1, -1, false},
    {"df", "VOL...", "show a volume's label, size and free space", json_options, command_df, 1, -1, false},
    {"integrity get", "VOL:/PATH...", "show whether data is under checksums", integrity_get_options,
     command_integrity_get, 1, -1, false},
    {"integrity set", "on|off|keep VOL:/PATH...",
     "put data under checksums, or not, or change only enforcement", integrity_set_options,
     command_integrity_set, 2, -1, false},
    {"reparse get", "VOL:/PATH", "show a reparse point", reparse_get_options, command_reparse_get, 1, 1,
     false},
    {"reparse set", "VOL:/PATH", "set a reparse point from a whole buffer", reparse_set_options,
     command_reparse_set, 1, 1, false},
    {"reparse delete", "VOL:/PATH", "remove a reparse point, keep the file", no_options,
     command_reparse_delete, 1, 1, false},
    {"media status", "VOL|DEVICE", "ask a removable drive about its medium", media_options,
     command_media_status, 1, 1, false},
    {"media eject", "VOL|DEVICE", "eject the medium", no_options, command_media_eject, 1, 1, false},
    {"media load", "VOL|DEVICE", "load the medium", no_options, command_media_load, 1, 1, false},
    {"ioctl", "VOL:[/PATH]|DEVICE CODE", "send any control code, by name or number", ioctl_options,
     command_ioctl, 2, 2, false},
    {"check", "VOL", "verify a whole volume and list what is wrong", check_options, command_check, 1, 1,
     false},
    {"scrub", "VOL", "read everything, repair what has a second copy", scrub_options, command_scrub, 1, 1,
     false},
    {"events", "DIRECTORY|VOL...", "list what a mounted volume found damaged", json_options, command_events,
     1, -1, false},
    {"probe", "FILE|DEVICE...", "say what volume it is and where it is mounted", json_options, command_probe,
     1, -1, false},
    {"dump", "VOL [superblock|tree|space|log|ADDRESS]", "tell a volume's bytes by name", json_options,
     command_dump, 1, 2, false},
    {"corrupt", "VOL:/FILE", "flip a byte of the image under a file or page, for tests", corrupt_options,
     command_corrupt, 1, 1, false},
    {"run", "PROGRAM [ARG]...", "run a program that finds these devices", run_options, command_run, 1, -1,
     true},
#ifdef HOLDFAST_MOUNT
    {"mount", "VOL DIRECTORY", "make a volume a file system of this machine", mount_options, command_mount, 2,
     2, false},
    {"umount", "DIRECTORY", "end a mount, and wait until all is safe", umount_options, command_umount, 1, 1,
     false},
#endif
    {"help", "[COMMAND]", "explain a command", help_options, command_help, 0, 2, false},
    {"version", "", "print the version", no_options, command_version, 0, 0, false},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *current; // for usage errors
static int usage_result = RESULT_USAGE;

void usage_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("holdfast: ", stderr);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, " (see: holdfast help%s%s)\n", current ? " " : "", current ? current->name : "");
    exit(usage_result);
}

// --- options -------------------------------------------------------------------------------------

bool option_given(const struct args *args, const char *name)
{
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].name, name) == 0)
            return true;
    }
    return false;
}

const char *option_next(const struct args *args, const char *name, int *i)
{
    while (*i < args->given_count) {
        const struct given *given = &args->given[(*i)++];
        if (strcmp(given->name, name) == 0)
            return given->value;
    }
    return NULL;
}

const char *option_value(const struct args *args, const char *name)
{
    const char *last = NULL, *value;
    for (int i = 0; (value = option_next(args, name, &i)) != NULL;)
        last = value;
    return last;
}

uint64_t parse_number(const char *what, const char *text)
{
    static const char units[] = "KMGTPE";
    char *end;
    errno = 0;
    // Octal "010" would surprise; only 0x is special.
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    uint64_t number = strtoull(text, &end, base);
    bool bad = errno || end == text || !isdigit((unsigned char)text[0]);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        int shift = 10 * (int)(unit - units + 1);
        bad |= number > UINT64_MAX >> shift;
        number <<= shift;
        end++;
        end += *end == 'i';
        end += *end == 'B';
    }
    if (bad || *end)
        usage_error("%s: '%s' is not a number", what, text);
    return number;
}

uint64_t option_number(const struct args *args, const char *name, uint64_t otherwise)
{
    const char *value = option_value(args, name);
    return value ? parse_number(name, value) : otherwise;
}

bool option_switch(const char *name, const char *value)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        usage_error("%s: '%s' is neither 'on' nor 'off'", name, value);
    return value[1] == 'n';
}

static const struct option_row *option_find(const struct option_row *row, const char *name, size_t length,
                                            char letter)
{
    for (; row->name; row++) {
        if (letter ? row->letter == letter
                   : strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return row;
    }
    return NULL;
}

static const struct option_row *option_of(const struct command *command, const char *name, size_t length,
                                          char letter)
{
    const struct option_row *row = option_find(command->options, name, length, letter);
    if (!row)
        row = option_find(common_options, name, length, letter);
    if (!row && letter)
        usage_error("%s: unknown option -%c", command->name, letter);
    if (!row)
        usage_error("%s: unknown option --%.*s", command->name, (int)length, name);
    return row;
}

static void option_add(struct args *args, const struct option_row *row, const char *value)
{
    args->given[args->given_count++] = (struct given){row->name, value};
}

static void option_parse_long(struct args *args, const char *text, char ***next)
{
    size_t length = strcspn(text, "=");
    const struct option_row *row = option_of(args->command, text, length, 0);
    const char *value = text[length] ? text + length + 1 : NULL;
    if (value && !row->value)
        usage_error("%s: option --%s takes no value", args->command->name, row->name);
    if (!value && row->value && !(value = *(*next)++))
        usage_error("%s: option --%s needs a value", args->command->name, row->name);
    option_add(args, row, value);
}

// "-rf", "-o VALUE", "-oVALUE"
static void option_parse_letters(struct args *args, const char *letters, char ***next)
{
    for (const char *letter = letters; *letter; letter++) {
        const struct option_row *row = option_of(args->command, NULL, 0, *letter);
        if (!row->value) {
            option_add(args, row, NULL);
            continue;
        }
        const char *value = letter[1] ? letter + 1 : *(*next)++;
        if (!value)
            usage_error("%s: option -%c needs a value", args->command->name, *letter);
        option_add(args, row, value);
        return;
    }
}

static void args_parse(struct args *args, const struct command *command, int count, char **words)
{
    args->command = command;
    args->words = memory((size_t)(count + 1) * sizeof *args->words);
    size_t letters = 0;
    for (int i = 0; i < count; i++)
        letters += strlen(words[i]) + 1; // no word gives more options than it has bytes
    args->given = memory((letters + 1) * sizeof *args->given);
    bool options = true;
    for (char **next = words; *next;) {
        char *word = *next++;
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] == '-') {
            option_parse_long(args, word + 2, &next);
        } else if (options && word[0] == '-' && word[1]) {
            option_parse_letters(args, word + 1, &next);
        } else {
            args->words[args->count++] = word;
            options &= !command->stops_at_word;
        }
    }
}

// --- help ----------------------------------------------------------------------------------------

static void help_options_print(const struct option_row *row)
{
    for (; row->name; row++) {
        char letter[5] = "    ", left[48];
        if (row->letter)
            snprintf(letter, sizeof letter, "-%c, ", row->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        printf("  %-26s %s\n", left, row->help);
    }
}

static void help_command_print(const struct command *command)
{
    printf("usage: holdfast %s [OPTION]... %s%s\n  %s\n\n", command->name,
           command->stops_at_word ? "-- " : "", command->words, command->summary);
    help_options_print(command->options);
    help_options_print(common_options);
}

static void help_print(FILE *file)
{
    fputs("usage: holdfast COMMAND [OPTION]... [ARGUMENT]...\n"
          "Self-checking volumes that answer the Windows storage control codes.\n\n"
          "VOL is an image file; VOL:/PATH is a file in it, such as vol.hf:/docs/letter.txt.\n\n",
          file);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-15s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'holdfast help COMMAND' explains its options. Exit status: 0 done, 1 failed, 2 wrong usage,\n"
          "3 corruption found.\n",
          file);
}

// The command that one or two words name; *used says how many. NULL: none.
static const struct command *command_find(char *const *words, int *used)
{
    for (int i = 0; words[0] && i < COMMAND_COUNT; i++) {
        const char *name = commands[i].name, *blank = strchr(name, ' ');
        size_t first = blank ? (size_t)(blank - name) : strlen(name);
        *used = blank ? 2 : 1;
        if (strlen(words[0]) == first && memcmp(words[0], name, first) == 0 &&
            (!blank || (words[1] && strcmp(words[1], blank + 1) == 0)))
            return &commands[i];
    }
    return NULL;
}

// Commands that begin with this word, such as "integrity".
static bool help_group_print(const char *word)
{
    bool found = false;
    size_t length = strlen(word);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i].name, word, length) == 0 && commands[i].name[length] == ' ') {
            if (found)
                putchar('\n');
            help_command_print(&commands[i]);
            found = true;
        }
    }
    return found;
}

static void command_help(const struct args *args)
{
    int used;
    const struct command *command = command_find(args->words, &used);
    if (args->count > 0 && (!command || used != args->count)) {
        if (args->count == 1 && help_group_print(args->words[0]))
            return;
        usage_error("there is no command '%s%s%s'", args->words[0], args->count > 1 ? " " : "",
                    args->count > 1 ? args->words[1] : "");
    }
    if (option_given(args, "commands")) {
        for (int i = 0; i < COMMAND_COUNT; i++)
            puts(commands[i].name);
    } else if (option_given(args, "options")) {
        const struct option_row *lists[] = {command ? command->options : no_options, common_options};
        for (int i = 0; i < 2; i++) {
            for (const struct option_row *row = lists[i]; row->name; row++)
                printf("--%s\n", row->name);
        }
    } else if (command) {
        help_command_print(command);
    } else {
        help_print(stdout);
    }
}

static void command_version(const struct args *args)
{
    (void)args;
    puts("holdfast " HOLDFAST_VERSION);
}

static int command_start(const struct command *command, int count, char **words)
{
    struct args args = {0};
    current = command;
    args_parse(&args, command, count, words);
    if (option_given(&args, "help")) {
        help_command_print(command);
    } else {
        if (args.count < command->min || (command->max >= 0 && args.count > command->max))
            usage_error("%s: expects %s", command->name, command->words[0] ? command->words : "no argument");
        if (option_value(&args, "drive"))
            target_set_drive(option_value(&args, "drive"));
        command->run(&args);
        target_detach();
    }
    free(args.words);
    free(args.given);
    return out_result();
}

#ifdef HOLDFAST_MOUNT
// Called as [u]mount.holdfast or [u]mount.fuse.holdfast, with mount(8)'s exit codes.
static int mount_helper(int argc, char **argv, bool ends)
{
    enum { MOUNT_USAGE = 1, MOUNT_FAILED = 32 };
    char **words = memory((size_t)(2 * argc + 5) * sizeof *words);
    int used, count = mount_helper_words(ends, argc, argv, words), result = 0;
    usage_result = MOUNT_USAGE;
    if (count < 0) {
        fprintf(stderr, "usage: %s %s\n", program_invocation_short_name,
                ends ? "DIRECTORY" : "VOL DIRECTORY [-o OPTIONS]");
        result = MOUNT_USAGE;
    } else if (count > 0) {
        const struct command *command = command_find(words + 1, &used);
        result = command_start(command, count - 2, words + 2) == RESULT_OK ? 0 : MOUNT_FAILED;
    }
    free(words);
    return result;
}
#endif

int main(int argc, char **argv)
{
#ifdef HOLDFAST_MOUNT
    const char *called = program_invocation_short_name;
    if (strncmp(called, "mount.", 6) == 0 || strncmp(called, "umount.", 7) == 0)
        return mount_helper(argc, argv, called[0] == 'u');
#endif
    if (argc < 2) {
        help_print(stderr);
        return RESULT_USAGE;
    }
    static char help[] = "help", version[] = "version";
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        argv[1] = help;
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    int used;
    const struct command *command = command_find(argv + 1, &used);
    if (command)
        return command_start(command, argc - 1 - used, argv + 1 + used);
    if (argc > 2 && strcmp(argv[2], "--help") == 0 && help_group_print(argv[1]))
        return out_result();
    usage_error("there is no command '%s%s%s'", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
}
