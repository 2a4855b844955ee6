/* date.c - writing and reading HTTP dates without libc's locale, time zone and printf.
 * Days are counted in the proleptic Gregorian calendar with years that start in March, so that leap days come last.
 * Owns one line of text per thread: the last date written, reused while the second stays the same. */
#include "http/date.h"

#include <errno.h>
#include <time.h>

#include "base/ascii.h"
#include "http/scan.h"

enum { DAY = 86400 };

static const int64_t last_second = 253402300799; /* 9999-12-31 23:59:59 */

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil {
    int year;
    int month; /* 0..11 */
    int day;   /* 1..31 */
};

/* Days since 1970-01-01 of a date of the years 0 to 9999. */
static int64_t
days_of(struct civil c)
{
    int64_t y = c.year - (c.month < 2);
    int64_t since_march = (c.month + 10) % 12;
    int64_t day_of_year = (153 * since_march + 2) / 5 + c.day - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* The date of a day since 1970-01-01, days >= 0. */
static struct civil
civil_of(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t since_march = (5 * day_of_year + 2) / 153;
    int64_t month = (since_march + 2) % 12;
    return (struct civil){ .year = (int)(year_of_era + era * 400 + (month < 2)),
                           .month = (int)month,
                           .day = (int)(day_of_year - (153 * since_march + 2) / 5 + 1) };
}

static void
two_digits(char *dst, int v)
{
    dst[0] = (char)('0' + v / 10);
    dst[1] = (char)('0' + v % 10);
}

void
hs_http_date_write(char *dst, int64_t unix_seconds)
{
    int64_t t = unix_seconds < 0 ? 0 : unix_seconds > last_second ? last_second : unix_seconds;
    int64_t days = t / DAY;
    int second = (int)(t % DAY);
    struct civil c = civil_of(days);
    memcpy(dst, "Thu, 01 Jan 1970 00:00:00 GMT", HS_HTTP_DATE_SIZE);
    memcpy(dst, day_names + (days + 4) % 7 * 3, 3);
    two_digits(dst + 5, c.day);
    memcpy(dst + 8, month_names + c.month * 3, 3);
    two_digits(dst + 12, c.year / 100);
    two_digits(dst + 14, c.year % 100);
    two_digits(dst + 17, second / 3600);
    two_digits(dst + 20, second / 60 % 60);
    two_digits(dst + 23, second % 60);
}

enum { NAME = sizeof "Date: " - 1, LINE = NAME + HS_HTTP_DATE_SIZE + 2 };

static _Thread_local int64_t line_second = -1;
static _Thread_local char line[LINE + 1] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
static _Thread_local char text[HS_HTTP_DATE_SIZE + 1];

static void
refresh(int64_t unix_seconds)
{
    hs_http_date_write(text, unix_seconds);
    memcpy(line + NAME, text, HS_HTTP_DATE_SIZE);
    line_second = unix_seconds;
}

const char *
hs_http_date(int64_t unix_seconds)
{
    if (unix_seconds != line_second || text[0] == '\0') {
        refresh(unix_seconds);
    }
    return text;
}

struct hs_view
hs_http_date_line(int64_t unix_seconds)
{
    if (unix_seconds != line_second || text[0] == '\0') {
        refresh(unix_seconds);
    }
    return (struct hs_view){ line, LINE };
}

/* A date being read: what is taken is right or the whole is EINVAL. */
struct reader {
    const char *p;
    const char *end;
    bool bad;
};

static void
take(struct reader *r, const char *literal)
{
    size_t n = strlen(literal);
    if (r->bad || (size_t)(r->end - r->p) < n || memcmp(r->p, literal, n) != 0) {
        r->bad = true;
        return;
    }
    r->p += n;
}

static int
take_digits(struct reader *r, int n)
{
    int v = 0;
    for (int i = 0; i < n && !r->bad; i++) {
        if (r->p == r->end || !hs_ascii_is_digit(*r->p)) {
            r->bad = true;
            break;
        }
        v = v * 10 + (*r->p++ - '0');
    }
    return v;
}

/* One of count names of three letters; its index. */
static int
take_name(struct reader *r, const char *names, int count)
{
    for (int i = 0; i < count && !r->bad && r->end - r->p >= 3; i++) {
        if (memcmp(r->p, names + i * 3, 3) == 0) {
            r->p += 3;
            return i;
        }
    }
    r->bad = true;
    return 0;
}

/* HH:MM:SS, in seconds; a leap second is the second after it. */
static int
take_time(struct reader *r)
{
    int hour = take_digits(r, 2);
    take(r, ":");
    int minute = take_digits(r, 2);
    take(r, ":");
    int second = take_digits(r, 2);
    if (hour > 23 || minute > 59 || second > 60) {
        r->bad = true;
    }
    return hour * 3600 + minute * 60 + second;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 1 && leap ? 29 : days[month];
}

/* "06 Nov 1994 08:49:37 GMT", after "Sun, " */
static int
read_imf(struct reader *r, struct civil *c)
{
    c->day = take_digits(r, 2);
    take(r, " ");
    c->month = take_name(r, month_names, 12);
    take(r, " ");
    c->year = take_digits(r, 4);
    take(r, " ");
    int second = take_time(r);
    take(r, " GMT");
    return second;
}

/* "06-Nov-94 08:49:37 GMT", after "Sunday, " */
static int
read_rfc850(struct reader *r, int64_t now, struct civil *c)
{
    c->day = take_digits(r, 2);
    take(r, "-");
    c->month = take_name(r, month_names, 12);
    take(r, "-");
    int year = take_digits(r, 2);
    take(r, " ");
    int second = take_time(r);
    take(r, " GMT");
    int64_t clamped = now < 0 ? 0 : now > last_second ? last_second : now;
    int this_year = civil_of(clamped / DAY).year;
    year += this_year - this_year % 100;
    /* Most 50 years ahead: the century before is meant; and the next one is when that is nearer than 50 years. */
    if (year > this_year + 50) {
        year -= 100;
    } else if (year + 100 <= this_year + 50) {
        year += 100;
    }
    c->year = year;
    return second;
}

/* "Nov  6 08:49:37 1994", after "Sun " */
static int
read_asctime(struct reader *r, struct civil *c)
{
    c->month = take_name(r, month_names, 12);
    take(r, " ");
    if (r->p < r->end && *r->p == ' ') {
        r->p++;
        c->day = take_digits(r, 1);
    } else {
        c->day = take_digits(r, 2);
    }
    take(r, " ");
    int second = take_time(r);
    take(r, " ");
    c->year = take_digits(r, 4);
    return second;
}

int
hs_http_date_parse_at(struct hs_view v, int64_t now, int64_t *unix_seconds)
{
    static const char *const long_days[] = { "day, ", "day, ", "sday, ", "nesday, ", "rsday, ", "day, ", "urday, " };
    struct reader r = { v.p, v.n != 0 ? v.p + v.n : v.p, false };
    struct civil c = { 0 };
    int second;
    int day = take_name(&r, day_names, 7);
    if (!r.bad && r.p < r.end && *r.p == ',') {
        take(&r, ", ");
        second = read_imf(&r, &c);
    } else if (!r.bad && r.p < r.end && *r.p == ' ') {
        r.p++;
        second = read_asctime(&r, &c);
    } else {
        take(&r, long_days[day]);
        second = read_rfc850(&r, now, &c);
    }
    if (r.bad || r.p != r.end || c.day < 1 || c.day > days_in_month(c.year, c.month)) {
        return EINVAL;
    }
    *unix_seconds = days_of(c) * DAY + second;
    return 0;
}

int
hs_http_date_parse(struct hs_view v, int64_t *unix_seconds)
{
    return hs_http_date_parse_at(v, (int64_t)time(NULL), unix_seconds);
}
