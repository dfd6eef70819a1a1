;; Is refused memory and copes.
(module (memory (export "memory") 1)
  (func (export "step") (result i32)
    (drop (memory.grow (i32.const -1)))
    (drop (memory.grow (i32.const 1)))
    (i32.const 1)))
