#ifndef IMAPGATE_LOG_H
#define IMAPGATE_LOG_H

/*
 * One event, one line. A line begins with the event's name and the client's
 * numeric address, then key=value pairs; only then comes what the client
 * chose, in double quotes and escaped, so that no client can write a line
 * that looks like ours. The same pairs become fields in the journal.
 *
 * Only the monitor and the listener log. The gate asks the monitor to
 * (ask_log), except that both may die() and bug() before they have met.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/* Longest piece of client text that is shown, in octets before escaping. */
#define LOG_CLIENT_TEXT	64
/* The same for what is not the client's: file names, reasons, the words of die(). */
#define LOG_OWN_TEXT	200

/* Where lines go; LOG_TO_AUTO finds out what the machine has. */
enum log_target {
	LOG_TO_AUTO,
	LOG_TO_JOURNAL,
	LOG_TO_SYSLOG,
	LOG_TO_STDERR,
};

/* A line being put together. Treat it as opaque. */
struct log_line {
	int	priority;
	size_t	length;
	size_t	fields;			/* how many entries of field are used */
	size_t	field[32];		/* where each field's text starts in store */
	size_t	stored;
	char	text[1024];
	char	store[1536];		/* "IMAPGATE_KEY=value" strings, for the journal */
};

/*
 * Chooses where lines go from now on. Before the first call they go to
 * standard error. Opens what it needs, so call it while files can be opened
 * and the environment still says who started us. Dies if the journal was
 * asked for by name and is not there.
 */
void	log_open(enum log_target);

/* Why lines for this target can't get there now; NULL if they can. Journal or syslog will do for LOG_TO_AUTO. */
const char	*log_target_error(enum log_target);

/*
 * Returns a descriptor for what a mailbox program says on standard error: a
 * stream of its own into the journal, the superserver's standard error where
 * our lines go elsewhere, or /dev/null; -1 if there is none to be had. Never
 * the log's own open file. Call log_open before.
 */
int	log_stream(void);

/*
 * Moves the log's descriptor to this number, for a process that closes all
 * others or executes another program; it is not close-on-exec. Returns false
 * if that can't be done; then no line may be written.
 */
bool	log_move(int to);

/* The most words that log_export writes, and the octets of one. */
#define LOG_WORDS	9
#define LOG_WORD_MAX	96

/*
 * Writes what a program of ours wants to know that this process executes: where
 * lines go, and what log_context has set. Returns how many words that are.
 */
size_t	log_export(char words[LOG_WORDS][LOG_WORD_MAX]);

/*
 * Takes these words, which must stay, up to NULL, and the descriptor that
 * log_move has made. Returns false if the words are others.
 */
bool	log_import(int fd, char *words[]);

/* Returns how many lines this process has dropped that no line has told of, and forgets them: another process will tell. */
unsigned	log_take_dropped(void);

/* Has the next line tell of so many dropped ones more. */
void	log_add_dropped(unsigned);

/* Sets a key that every later line carries, in order of first use. The value is ours, never the client's. */
void	log_context(const char *key, const char *value);

/* Forgets all of them. */
void	log_context_clear(void);

/* Returns what log_context has set last for a key, NULL if nothing. */
const char	*log_context_value(const char *key);

/* Starts a line with its event's name and everything log_context has set. */
void	log_begin(struct log_line *, int priority, const char *event);

/* Adds key=value; the value is ours: numbers, names from tables. */
void	log_field(struct log_line *, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds key="value" for text that somebody else chose: escaped, cut at LOG_CLIENT_TEXT octets. */
void	log_quoted(struct log_line *, const char *key, const char *text, size_t len);

/* The same for text of this host's, such as a file's name: cut at LOG_OWN_TEXT octets. */
void	log_text(struct log_line *, const char *key, const char *text);

/*
 * Writes the line, or drops it if that would mean to wait: "dropped=N" in the
 * next line says how many were. Async-signal-safe, so that a line made ready
 * before can be written by a signal handler.
 */
void	log_write(const struct log_line *);

/* How die() says its last word to the client; set by whoever holds the connection, NULL for nobody. */
extern void (*die_hook)(void);

/* What bug() does before it exits; set by the monitor, whose gate must not outlive it, NULL for nothing. */
extern void (*bug_hook)(void);

/* Where the last words of die() and bug() go instead of a log, in a process that has none; NULL for the log. */
extern void (*log_sink)(int priority, const char *text);

/* Exit status of die(): sysexits(3) EX_TEMPFAIL unless set to EX_CONFIG while settings are being tried. */
extern int die_status;

/* The world is wrong: logs the text with errno (if it is not 0), says a last word, exits with die_status. */
void	die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* We are wrong, or the other process did what it never should: logs at LOG_CRIT, exits at once with EX_SOFTWARE. */
void	bug(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
