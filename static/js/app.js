// The shell's behaviour. Every page works without it; nothing here holds state that the server does not have.

import * as busy from "./busy.js";
import * as copy from "./copy.js";
import * as dialog from "./dialog.js";
import * as evidence from "./evidence.js";
import * as keys from "./keys.js";
import * as lists from "./lists.js";
import * as live from "./live.js";
import * as menu from "./menu.js";
import * as net from "./net.js";
import * as theme from "./theme.js";
import * as toast from "./toast.js";

for (const part of [theme, toast, net, dialog, menu, lists, keys, live, busy, copy, evidence]) part.start();
