;; Grows page by page until it is refused, then fails.
(module (memory (export "memory") 1)
  (func (export "step") (result i32)
    (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (unreachable)))
