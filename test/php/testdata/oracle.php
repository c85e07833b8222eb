<?php
// Reads questions as JSON from standard input and answers them with PHP's own
// functions. Texts travel as base64, because they need not be valid UTF-8.

function put(array &$tree, array $path, string $value): void
{
    $step = array_shift($path);
    if ($path === []) {
        $tree[$step] = $value;
        return;
    }
    if (!isset($tree[$step])) {
        $tree[$step] = [];
    }
    put($tree[$step], $path, $value);
}

function flatten(array $tree, string $prefix = ''): array
{
    $fields = [];
    foreach ($tree as $key => $value) {
        $name = $prefix === '' ? (string) $key : $prefix . '[' . $key . ']';
        if (is_array($value)) {
            array_push($fields, ...flatten($value, $name));
        } else {
            $fields[] = [base64_encode($name), base64_encode($value)];
        }
    }
    return $fields;
}

function form(array $question): array
{
    $tree = [];
    foreach ($question['fields'] as [$name, $value]) {
        preg_match_all('/[^\[\]]+/', base64_decode($name, true), $steps);
        put($tree, $steps[0], base64_decode($value, true));
    }
    parse_str($question['encoded'], $parsed);
    return ['built' => http_build_query($tree), 'parsed' => flatten($parsed)];
}

function serial(array $question): array
{
    $array = [];
    foreach ($question['pairs'] as [$key, $value]) {
        // A numeric text as key, as in WHMCS' samples: PHP makes it an integer.
        $array[$key] = $question['numbers'] ? (int) $value : base64_decode($value, true);
    }
    $ours = unserialize(base64_decode($question['encoded'], true), ['allowed_classes' => false]);
    return ['built' => base64_encode(serialize($array)), 'same' => $ours === $array];
}

$questions = json_decode(stream_get_contents(STDIN), true, 16, JSON_THROW_ON_ERROR);
echo json_encode([
    'forms' => array_map('form', $questions['forms'] ?? []),
    'serials' => array_map('serial', $questions['serials'] ?? []),
], JSON_THROW_ON_ERROR);
