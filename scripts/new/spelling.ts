/** One name in the spellings that code, files, SQL and protos use. */
export interface Spelling {
  /** "return-goods" */
  readonly kebab: string;
  /** "return_goods" */
  readonly snake: string;
  /** "returnGoods" */
  readonly camel: string;
  /** "ReturnGoods" */
  readonly pascal: string;
}

/** Returns the spellings of a name in kebab case. */
export function spellingOf(kebab: string): Spelling {
  const words = kebab.split("-");
  const pascal = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return {
    kebab,
    snake: words.join("_"),
    camel: pascal.charAt(0).toLowerCase() + pascal.slice(1),
    pascal,
  };
}

/**
 * Returns the text with one name in place of another, in every spelling: a template is a real file
 * of something called acme.
 */
export function renamed(text: string, from: string, to: Spelling): string {
  const { camel, pascal } = spellingOf(from);
  return text
    .replaceAll(`"${camel}"`, `"${to.kebab}"`)
    .replaceAll(`${camel}-`, `${to.kebab}-`)
    .replaceAll(`${camel}_`, `${to.snake}_`)
    .replaceAll(camel.toUpperCase(), to.snake.toUpperCase())
    .replaceAll(pascal, to.pascal)
    .replaceAll(camel, to.camel);
}
