"""Makes an object of nfnetlink_acct by netlink, without the program nfacct: `nfacct.py NAME`."""

import socket
import sys

from nfnetlink import NLM_F_CREATE, ask, text

NFNL_SUBSYS_ACCT, NFNL_MSG_ACCT_NEW = 7, 0
NFACCT_NAME = 1

ask(NFNL_SUBSYS_ACCT, NFNL_MSG_ACCT_NEW, NLM_F_CREATE, socket.AF_UNSPEC, text(NFACCT_NAME, sys.argv[1]))
