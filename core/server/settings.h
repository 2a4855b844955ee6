/* settings.h - what can be configured: one table of names, types, ranges, defaults and help, from which the command line, config.lua,
 * --help and the errors of all of them come. A name is written with dashes or underscores: drain-timeout, drain_timeout.
 * A value that was set by a stronger source stays: the command line over the configuration file over the default.
 * One thread at a time. */
#ifndef HS_SERVER_SETTINGS_H
#define HS_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/nearest.h"

enum hs_setting_type {
    HS_SETTING_FLAG,      /* 0 or 1 */
    HS_SETTING_COUNT,     /* a number */
    HS_SETTING_WORKERS,   /* a number, or "auto", kept as -1 */
    HS_SETTING_SIZE,      /* bytes; suffixes K, M, G for powers of 1024 */
    HS_SETTING_TIME,      /* kept in ns; seconds, or with a suffix ms, s, m, h */
    HS_SETTING_LOG_LEVEL, /* enum hs_log_level */
    HS_SETTING_ADDRESSES, /* a list; each as hs_listen_options_parse takes it */
    HS_SETTING_NETWORKS,  /* a list; each as hs_cidr_parse takes it */
    HS_SETTING_FILES,     /* a list */
    HS_SETTING_FILE,      /* read at start */
    HS_SETTING_PATH,      /* of something that is made */
    HS_SETTING_NAME,      /* of a user or group, or its number */
    HS_SETTING_LOG,       /* as hs_log_target_parse takes it */
    HS_SETTING_CHOICE,    /* one of the words of value, "a|b", kept as its place among them */
};

/* Who set a value; a weaker source does not change what a stronger one has set. */
enum hs_setting_source { HS_SOURCE_DEFAULT, HS_SOURCE_FILE, HS_SOURCE_COMMAND };

enum hs_setting_flag {
    HS_SETTING_OR_NONE = 1,      /* "none" is a value too, kept as -1 */
    HS_SETTING_COMMAND_ONLY = 2, /* may not stand in a configuration file */
    HS_SETTING_LIVE = 4,         /* a reload changes it; others need a restart */
};

struct hs_setting {
    const char *name; /* with dashes */
    enum hs_setting_type type;
    size_t offset;      /* of the value in struct hs_settings: int64_t, struct hs_setting_list or char * */
    int64_t min, max;   /* in what the value is kept in */
    unsigned flags;     /* of enum hs_setting_flag */
    const char *def;    /* the default, as text; NULL: empty */
    const char *value;  /* what help calls the value; NULL: takes none */
    const char *help;
};

struct hs_setting_list {
    char **items;
    size_t n;
};

enum { HS_SETTINGS_MAX = 80, HS_SETTING_NUMBER_MAX = 64 };

struct hs_settings {
    struct hs_setting_list listen, module, allow, deny, trusted;
    char *config; /* NULL: DIR/config.lua, where there is one */
    char *user, *group, *pid_file; /* NULL: not asked for */
    char *access_log, *error_log;
    char *control, *admin; /* NULL: httpsrv serve chooses one, other programs have none */
    int64_t workers, dev, log_level, watchdog, memory_limit, shared_memory;
    int64_t access_log_format, client_address_from, request_id;
    int64_t backlog, max_connections, drain_timeout, load_timeout, unload_timeout, generations;
    int64_t head_size, head_fields, target_size, head_timeout, handler_timeout;
    int64_t max_body, body_memory, body_ahead, body_rate, body_window, drain_max;
    int64_t keep_alive, max_requests, write_timeout, pipeline_output;
    int64_t linger_max, linger_timeout, linger_count;
    int64_t response_high, response_low, response_buffer_max, turn_bytes;
    unsigned char source[HS_SETTINGS_MAX]; /* enum hs_setting_source of each, by its place in the table */
};

/* All defaults. 0 or ENOMEM (nothing to free then). */
int hs_settings_init(struct hs_settings *s);
/* Makes *to a copy of from, in place of what it held. 0; ENOMEM, and then *to is as it was. */
int hs_settings_copy(struct hs_settings *to, const struct hs_settings *from);
/* Gives what a file has set its default again. 0; ENOMEM, and then some have theirs already. */
int hs_settings_forget_file(struct hs_settings *s);
/* Whether two have the same value there, wherever it comes from. */
bool hs_setting_equal(const struct hs_settings *a, const struct hs_settings *b, const struct hs_setting *which);
/* Gives *to the value that from has there, and its source. 0; ENOMEM, and then nothing is changed. */
int hs_setting_assign(struct hs_settings *to, const struct hs_settings *from, const struct hs_setting *which);
/* Frees what the values hold. */
void hs_settings_fini(struct hs_settings *s);

/* The table, for listings: the i-th setting, NULL past the end. */
const struct hs_setting *hs_setting_at(size_t i);
/* The setting of that name, dashes and underscores being one; NULL when there is none. */
const struct hs_setting *hs_setting_find(const char *name);
/* Whether it holds several values: each that is set is added. */
bool hs_setting_is_list(const struct hs_setting *which);
/* Whether a reload changes it. */
bool hs_setting_is_live(const struct hs_setting *which);
/* Whether it is about the process, which belongs to the command alone: a server in a program has no say in that. */
bool hs_setting_is_process(const struct hs_setting *which);
/* Whether a value says "not at all": "none", or "false" as a script may have it. */
bool hs_setting_is_none(const char *text);
/* The setting whose name is most like an unknown one; NULL when none is like it. */
const struct hs_setting *hs_setting_like(const char *name);

/* Sets one value from text; a list grows by it when its values come from the same source. Flags take true, false, yes, no, on, off, 1, 0.
 * 0 (also when a stronger source has set it already); EINVAL and why (at most size bytes, without the name) says what the value must be;
 * ENOMEM, why says so. */
int hs_setting_set(struct hs_settings *s, const struct hs_setting *which, const char *text, enum hs_setting_source source, char *why,
                   size_t size);
/* Checks beyond a single value: 0, or EINVAL with the setting that is wrong and why. */
int hs_settings_check(const struct hs_settings *s, const struct hs_setting **which, char *why, size_t size);
/* How many workers that makes: auto is one for each processor that the process may run on. */
size_t hs_settings_workers(const struct hs_settings *s);
/* Bytes of shared memory; 0: none. */
size_t hs_settings_shared(const struct hs_settings *s);
/* Where the value comes from. */
enum hs_setting_source hs_setting_source_of(const struct hs_settings *s, const struct hs_setting *which);

/* The i-th value as text as it can be set, of a list that of an entry; 0 is the only one of others. Borrowed from s or from scratch, which has room for any
 * number. NULL: there is none. */
const char *hs_setting_value(const struct hs_settings *s, const struct hs_setting *which, size_t i, char scratch[HS_SETTING_NUMBER_MAX]);
/* The value as text as it can be set, lists with blanks between. Returns the length that it has without the cut, as snprintf(3). */
int hs_setting_format(const struct hs_settings *s, const struct hs_setting *which, char *dst, size_t size);

#endif
