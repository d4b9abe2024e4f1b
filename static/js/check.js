/* What a photo shows, said before it is sent: nobody, too small, too dark; and of several people, which one is meant. The
   faces are found on this device. Nothing is forbidden here: the server decides, by the same rules. */
import { $, pageData, showText } from "./app.js";
import { WORDS } from "./words.js";

const MOST = 6, THUMB = 96, ROOM = 1.5, SURE = .7;

/** Look at photos for this form. `onFace` is told [x, y, width] of the face that the film will be about, in fractions of
    the picture. Return `look(canvas)`, `mustChoose()`, `who()` and `choice`, the field to choose in. */
export function mountCheck(form, { onFace }) {
  const doubt = $("[data-doubt]", form), choice = $("[data-who]", form), list = $("[data-who-faces]", form), words = pageData("photo-words") || {};
  let looked = 0, faces = [], chosen = null, picture = null;

  const tell = face => onFace([(face.x + face.width / 2) / picture.width, (face.y + face.height / 2) / picture.height, face.width / picture.width]);
  function thumb(face) {
    const canvas = document.createElement("canvas"), side = Math.max(face.width, face.height) * ROOM;
    canvas.width = canvas.height = THUMB;
    canvas.getContext("2d").drawImage(picture, face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2, side, side, 0, 0, THUMB, THUMB);
    return canvas;
  }
  function offer() {
    choice.hidden = faces.length < 2;
    list.replaceChildren(...(choice.hidden ? [] : faces.map((face, index) => {
      const label = document.createElement("label"), radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "who", value: String(index) });
      radio.setAttribute("aria-label", WORDS.person(index + 1, faces.length));
      radio.addEventListener("change", () => { chosen = face; tell(face); });
      label.className = "who__face";
      label.append(radio, thumb(face));
      return label;
    })));
  }

  return {
    choice,
    mustChoose: () => faces.length > 1 && !chosen,
    who: () => chosen ? [(chosen.x + chosen.width / 2) / picture.width, (chosen.y + chosen.height / 2) / picture.height].map(part => part.toFixed(4)).join() : "",
    async look(canvas) {
      const number = ++looked;
      [faces, chosen, picture] = [[], null, canvas];
      showText(doubt, "");
      offer();
      delete form.dataset.verdict;
      const { judge, prepare } = await import("./faces.js");
      prepare({ detector: form.dataset.detector });
      const verdict = canvas && await judge(canvas).catch(() => null);
      if (number !== looked) return;                              // another photo came meanwhile
      form.dataset.verdict = verdict ? verdict.code || "good" : "unseen";
      if (!verdict) return;
      const [best] = verdict.faces;
      faces = verdict.faces.filter(face => face === best || (face.score > SURE && face.width > best.width / 3)).slice(0, MOST).sort((a, b) => a.x - b.x);
      showText(doubt, words[verdict.code] || "");
      offer();
      if (best) await tell(best);
    },
  };
}
