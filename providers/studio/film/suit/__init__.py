"""The hero's suit: armour, headgear, visors, circuits, and the details that differ between films."""
