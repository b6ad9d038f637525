/**
 * The match `comment`: it always holds, and tells people something. `struct xt_comment_info`, include/uapi/linux/netfilter/xt_comment.h.
 */
import { isText } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { extension } from '../extension.js'
import { struct, text } from '../layout.js'

/** XT_MAX_COMMENT_LEN, with the NUL at the end. */
const COMMENT_BYTES = 256

/** What the match `comment` says. */
export interface CommentOptions {
  /** At most 255 bytes in UTF-8. */
  readonly comment: string
}

/** What a line says of it. */
export interface CommentDraft {
  comment?: string
}

const layout = struct(COMMENT_BYTES, { comment: text(0, COMMENT_BYTES) })

/** `-m comment --comment TEXT`. */
export const comment = extension<CommentOptions, CommentDraft, 'comment'>({
  kind: 'match',
  name: 'comment',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_comment',
  size: COMMENT_BYTES,
  encode: ({ comment: given }) => {
    if (!isText(given, COMMENT_BYTES - 1)) throw new ValidationError('comment', given, `a text of at most ${COMMENT_BYTES - 1} bytes`)
    return layout.write({ comment: given })
  },
  decode: (info) => layout.read(info),
  print: ({ comment: given }) => ['--comment', given],
  quoted: ['--comment'],
  draft: () => ({}),
  options: {
    '--comment': {
      values: 1,
      read: (draft, [given = ''], place) => {
        if (!isText(given, COMMENT_BYTES - 1)) place.fail(`a text of at most ${COMMENT_BYTES - 1} bytes`, 0)
        draft.comment = given
      }
    }
  },
  finish: ({ comment: given }, _context, fail) => ({ comment: given ?? fail('--comment TEXT') })
})
