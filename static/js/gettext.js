/* The catalogue of the page's language, a script of its own before all others (`static/js/catalogue/`, made by
   `manage.py messages`). English has none; what a catalogue does not know is said in English. */
const catalogue = globalThis.catalogue ?? {};

export const language = document.documentElement.lang || "en";
export const _ = text => catalogue[text] ?? text;

/** The form for this number: languages with one form use it for all, those with two have one for what they count as one. */
export function ngettext(one, many, count) {
  const forms = catalogue[one] ?? [one, many];
  return new Intl.PluralRules(language).select(count) === "one" ? forms[0] : forms.at(-1);
}

/** Put values into the {placeholders} of a message. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
