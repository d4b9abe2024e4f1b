/* The page for being offline: it is shown at the address that could not be loaded, and loads it again. */
import { $ } from "./app.js";

const isItself = location.pathname === "/offline/";
const again = () => { if (isItself) location.replace("/me/"); else location.reload(); };
addEventListener("online", again);
$("[data-again]").addEventListener("click", event => { event.preventDefault(); again(); });
