/**
 * Messages of the library in the words of the command line, which has other options than a call.
 */

/** What messages say of options of calls, and what stands there on the command line. */
const WORDS: readonly (readonly [said: RegExp, written: string])[] = [
  [/,? and option schedulerFallback (?:'\w+' does without|names another one)/, ', or the file names another scheduler'],
  [/, and take over what it left by option takeOver, or remove it/, ', and remove what it left (kube-proxy --cleanup)'],
  [/ \(option nodeAddresses\), or option ownAddresses 'serve'/, ''],
  [/ \(option reserveNodePorts\)/, ''],
  [/, as there is no option localSources/, ', as the command does not know local clients'],
  [/: say `(from|interface)`/g, ': say --$1']
]

/** A message without options that the command line has not. */
export function inWordsOfCommand(message: string): string {
  return WORDS.reduce((text, [said, written]) => text.replace(said, written), message)
}
