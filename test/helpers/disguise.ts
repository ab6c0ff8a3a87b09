// Secrets are looked for in pieces, and in what programs commonly make of them.

/** A longer secret counts as shown when 31 of its characters are, which always hold a whole piece. */
const pieceLength = 16;

/** Whether the text, a character a byte, holds the secret, or much of it, in whatever form. Codes count where no digit adjoins. */
export function holds(text: string, secret: string): boolean {
  if (/^\d{6}$/.test(secret) && new RegExp(`(?<!\\d)${secret}(?!\\d)`).test(text)) return true;
  const lower = text.toLowerCase();
  return formsOf(secret).some((form) => lower.includes(form));
}

const known = new Map<string, readonly string[]>();

function formsOf(secret: string): readonly string[] {
  const forms = known.get(secret) ?? piecesOf(secret).flatMap((piece) => disguises(piece));
  known.set(secret, forms);
  return forms;
}

function piecesOf(secret: string): string[] {
  const count = Math.max(1, Math.floor(secret.length / pieceLength));
  return Array.from({ length: count }, (_, index) =>
    count === 1 ? secret : secret.slice(index * pieceLength, (index + 1) * pieceLength),
  );
}

/** All in lower case, since some of these come in both. */
function disguises(piece: string): string[] {
  const bytes = Buffer.from(piece);
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // the characters at the ends depend on what stands beside the secret, too
    const own = text.slice(Math.ceil((shift * 4) / 3), Math.floor(((shift + bytes.length) * 4) / 3));
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  const forms = [
    // six digits by themselves are looked for with what adjoins them
    ...(/^\d{6}$/.test(piece) ? [] : [piece, encodeURIComponent(piece), piece.replaceAll('/', '\\/')]),
    ...base64,
    ...['', ' ', ':', '%'].map((between) => hex.join(between)),
    hex.map((byte) => `\\x${byte}`).join(''),
    [...bytes].join(','),
    Buffer.from(piece, 'utf16le').toString('latin1'),
  ];
  return [...new Set(forms.map((form) => form.toLowerCase()))];
}
