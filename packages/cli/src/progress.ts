/** What long work reports while it runs. */
export interface ProgressListener {
  /** One part of the work; resolves to what `work` resolves to. */
  progress<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** Something that a person should know: one sentence. */
  notice(sentence: string): void;
}

export const silentListener: ProgressListener = {
  progress: (_what, work) => work(),
  notice: () => {},
};
