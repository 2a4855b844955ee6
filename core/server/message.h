/* message.h - what the master and a worker say to each other over their channel. */
#ifndef HS_SERVER_MESSAGE_H
#define HS_SERVER_MESSAGE_H

enum hs_message {
    /* from the master */
    HS_MESSAGE_DRAIN = 1, /* stop accepting, finish what runs, end */
    HS_MESSAGE_STOP,      /* end at once */

    /* from a worker */
    HS_MESSAGE_READY = 64, /* it serves; text: how many routes, as a decimal number */
    HS_MESSAGE_FAILED,     /* it could not load; text: why. It ends by itself */
};

#endif
