/* message.h - what the master and a worker, or a master and its successor, say to each other over their channel. */
#ifndef HS_SERVER_MESSAGE_H
#define HS_SERVER_MESSAGE_H

enum hs_message {
    /* from the master */
    HS_MESSAGE_DRAIN = 1, /* stop accepting, finish what runs, end */
    HS_MESSAGE_STOP,      /* end at once */
    HS_MESSAGE_PREPARE,   /* load the scripts anew, beside those that serve, by new settings; text: 's' (settings, hs_settings_pack), 'a' (access log,
                             opened), for each a descriptor */
    HS_MESSAGE_COMMIT,    /* what was prepared takes over; text: 'e' (the error log is another file now, with its descriptor), 'E' (it is no file now), or
                             nothing */
    HS_MESSAGE_SETTINGS,  /* as PREPARE and COMMIT, but of settings only: who has begun since has the scripts already. Text: of both */
    HS_MESSAGE_ABANDON,   /* what was prepared is dropped */
    HS_MESSAGE_COMMAND,   /* carry out a control command; number: which; text: its words, each with a NUL behind it */
    HS_MESSAGE_CANCEL,    /* whoever gave that command is gone */
    HS_MESSAGE_RELEASE,   /* as DRAIN, but others have the sockets: who waits in their queues is theirs */
    HS_MESSAGE_LEAVE,     /* another takes its place now: as DRAIN, and its place in the page is the other's */
    HS_MESSAGE_REOPEN,    /* log files have been opened anew; text: 'a' (access log), 'e' (error log), for each a descriptor */
    HS_MESSAGE_LOG_LEVEL, /* number: enum hs_log_level */
    HS_MESSAGE_SESSIONS,  /* say what requests are under way; number: of the answer */

    /* from a worker */
    HS_MESSAGE_READY = 64, /* it serves; text: how many routes, as a decimal number */
    HS_MESSAGE_FAILED,     /* it could not load; text: why. It ends by itself */
    HS_MESSAGE_PREPARED,   /* scripts are loaded, beside those that serve */
    HS_MESSAGE_UNPREPARED, /* they could not be; text: why. Nothing has changed */
    HS_MESSAGE_OUTPUT,     /* of a command; text: 'O' or 'E', then what it has written */
    HS_MESSAGE_ENDED,      /* a command is over; text: its exit status, one byte */
    HS_MESSAGE_WORN,       /* it asks to be replaced */

    /* to the master that is to replace the sender, which answers with READY or FAILED */
    HS_MESSAGE_SOCKET = 128, /* number: a descriptor that it has inherited; text: its key (inherited.h) */
    HS_MESSAGE_SOCKETS_END,  /* these were all */
    HS_MESSAGE_TAKE_OVER,    /* it is the master now */
    HS_MESSAGE_SESSION_LIST, /* requests under way; text: whether more follow, one byte, then whole lines of session_list.h */
};

enum { HS_SESSIONS_MORE = 'M', HS_SESSIONS_LAST = 'L' };

#endif
