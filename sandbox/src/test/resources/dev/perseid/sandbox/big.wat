;; Needs 100 pages from the start.
(module (memory (export "memory") 100)
  (func (export "step") (result i32) (i32.const 1)))
