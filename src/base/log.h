#ifndef IMAPGATE_LOG_H
#define IMAPGATE_LOG_H

/*
 * The log: one line for each event. A line begins with the event's name and the client's address;
 * key=value pairs follow. Text that the client chose comes last, quoted and escaped, so that no
 * client can forge a line. The journal gets the pairs as fields.
 *
 * Gates do not write lines: they ask their monitor or the listener (ask_log). die() and bug()
 * work in every process.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/* Octets of a client's text that are logged, before escaping. */
#define LOG_CLIENT_TEXT_MAX	64
/* Octets of other text that are logged: file names, reasons, messages of die(). */
#define LOG_OWN_TEXT_MAX	200

/* Where lines go. LOG_TO_AUTO: to the journal or syslog, as the machine has it. */
enum log_target {
	LOG_TO_AUTO,
	LOG_TO_JOURNAL,
	LOG_TO_SYSLOG,
	LOG_TO_STDERR,
};

/* A line that is being composed. Opaque. */
struct log_line {
	int	priority;
	size_t	length;
	size_t	fields;			/* used entries of field */
	size_t	field[32];		/* start of each field in store */
	size_t	stored;
	char	text[1024];
	char	store[1536];		/* "IMAPGATE_KEY=value", for the journal */
};

/*
 * Chooses where lines go; before, they go to standard error. Call it while files can be opened,
 * and before the environment is cleared. Dies if LOG_TO_JOURNAL was asked for and there is no
 * journal.
 */
void	log_open(enum log_target);

/*
 * Returns why lines can't be written to a target, NULL if they can. LOG_TO_AUTO: to journal or
 * syslog.
 */
const char	*log_target_error(enum log_target);

/*
 * Returns a descriptor for a mailbox program's standard error, -1 if there is none: its own
 * stream into the journal, the superserver's standard error if the log is elsewhere, or
 * /dev/null. Never the open file of the log. Call log_open() or log_import() before.
 */
int	log_stream(void);

/*
 * Moves the log's descriptor to a number, without close-on-exec, for a process that closes all
 * others or executes this program. Returns false on failure; no line may be written then.
 */
bool	log_move(int to);

/* Largest number of strings that log_export() writes, and the octets of each. */
#define LOG_WORDS_MAX	9
#define LOG_WORD_SIZE	96

/*
 * Writes the log's target and context as arguments for a process that this program is executed
 * as. Returns their number.
 */
size_t	log_export(char words[LOG_WORDS_MAX][LOG_WORD_SIZE]);

/*
 * Takes over the log: the descriptor that log_move() has made, and the arguments of log_export(),
 * up to NULL, which must stay in memory. Returns false if they are malformed.
 */
bool	log_import(int fd, char *words[]);

/*
 * Returns the number of dropped lines that no line has counted, and sets it to 0: another process
 * will count them.
 */
unsigned	log_take_dropped(void);

/* Adds to the number of dropped lines that the next line counts. */
void	log_add_dropped(unsigned);

/*
 * Sets a key that all later lines carry, in the order of first use. The key must stay in memory.
 * The value must not be a client's text.
 */
void	log_context(const char *key, const char *value);

/* Forgets all keys of log_context(). */
void	log_context_clear(void);

/* Returns the value of a key of log_context(), NULL if it is not set. */
const char	*log_context_value(const char *key);

/* Starts a line with the event's name and the keys of log_context(). */
void	log_begin(struct log_line *, int priority, const char *event);

/* Adds key=value. The value must be safe as it is: numbers, names from tables. */
void	log_field(struct log_line *, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds key="value" for a client's text, escaped and cut at LOG_CLIENT_TEXT_MAX octets. */
void	log_quoted(struct log_line *, const char *key, const char *text, size_t len);

/*
 * Adds key="value" for text of this host, such as a file's name: escaped, cut at LOG_OWN_TEXT_MAX
 * octets.
 */
void	log_text(struct log_line *, const char *key, const char *text);

/*
 * Writes the line, or drops it if writing would block: the next line has dropped=N.
 * Async-signal-safe, so that a signal handler can write a line that was composed before.
 */
void	log_write(const struct log_line *);

/* Called by die() before it exits, to send the client a BYE. NULL: nothing is sent. */
extern void (*die_hook)(void);

/* Called by bug() before it exits; the monitor kills its gate. NULL: nothing is done. */
extern void (*bug_hook)(void);

/* Takes the message of die() and bug() in a process without a log. NULL: it is logged. */
extern void (*log_sink)(int priority, const char *text);

/* Exit status of die(): EX_TEMPFAIL, or EX_CONFIG while settings are checked (sysexits(3)). */
extern int die_status;

/*
 * Ends the process after an error outside of this program: logs the text, with errno if that is
 * not 0, calls die_hook and exits with die_status.
 */
void	die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Ends the process after a bug in this program, or a violation by another process: logs the text
 * at LOG_CRIT, calls bug_hook and exits with EX_SOFTWARE.
 */
void	bug(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
